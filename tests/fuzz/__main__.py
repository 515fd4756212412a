"""Fuzzing for as long as one likes: every target in turn, or those that are named.

    python -m tests.fuzz [--seconds 5] [--seed N] [TARGET ...]

An input that breaks a rule is kept under tests/fuzz/seeds/TARGET/, where the tests find it from then on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from random import Random

from tests.fuzz.mutate import LONGEST, mutant, swollen
from tests.fuzz.target import SEEDS, Failed, Target, judge, weigh
from tests.fuzz.targets import TABLE

_WEIGHED = 200
"""One input in so many is tried for its memory, too: that takes several times as long."""
_FOUND = 200
"""So many accepted mutants become seeds of their own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """How many targets have failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=5.0, help="of computing for each target")
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="to see a run again")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    given = parser.parse_args(arguments)
    known = {target.name: target for target in TABLE}
    if unknown := [name for name in given.targets if name not in known]:
        parser.error(f"no target is named {', '.join(unknown)}; there are {', '.join(known)}")
    print(f"{len(given.targets) or len(TABLE)} targets, {given.seconds:g} s each, seed {given.seed}")
    failed = 0
    for target in [known[name] for name in given.targets] or TABLE:
        try:
            print(_tried(target, given.seconds, Random(f"{given.seed}/{target.name}")), flush=True)
        except Failed as failure:
            failed += 1
            kept = _keep(target, _smaller(target, failure.raw))
            print(f"FAILED {failure}\n       kept as {kept}", flush=True)
    print(f"{failed} of them failed" if failed else "no input broke a rule")
    return failed


def _tried(target: Target, seconds: float, random: Random) -> str:
    seeds = target.examples()
    for raw in swollen(target, seeds, LONGEST):
        judge(target, raw)
        weigh(target, raw)
    until, tried, accepted = time.process_time() + seconds, 0, 0
    while time.process_time() < until:
        raw = mutant(target, seeds, random)
        taken = judge(target, raw)
        tried += 1
        accepted += taken
        if tried % _WEIGHED == 0:
            weigh(target, raw)
        if taken and not target.silent and len(seeds) < _FOUND and raw not in seeds:
            seeds.append(raw)
    return f"{target.name:24} {tried:9} inputs, {accepted:8} accepted"


def _smaller(target: Target, raw: bytes) -> bytes:
    """What is left when parts are taken out as long as it still fails."""
    size = len(raw) // 2
    while size:
        at = 0
        while at < len(raw):
            less = raw[:at] + raw[at + size :]
            if _fails(target, less):
                raw = less
            else:
                at += size
        size //= 2
    return raw


def _fails(target: Target, raw: bytes) -> bool:
    try:
        judge(target, raw)
    except Failed:
        return True
    return False


def _keep(target: Target, raw: bytes) -> str:
    folder = SEEDS / target.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / sha256(raw).hexdigest()[:12]
    path.write_bytes(raw)
    return str(path)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
