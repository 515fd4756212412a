"""Runaway contracts: each is one failed call, quick, small and the same every time."""

from __future__ import annotations

import sys
import time
import tracemalloc

import pytest

from ledgernode.errors import ChaincodeRefused, LedgerError
from ledgernode.execution.sandbox.checker import NODES_LIMIT
from ledgernode.execution.sandbox.loader import LoadedContract
from ledgernode.execution.sandbox.meter import Meter
from tests.execution.sandbox.workbench import BUDGET, findings, load, samples, source_of
from tests.speed import slowness

pytestmark = pytest.mark.slow

SLOWEST_S = 0.1
SLOWEST_LOAD_S = 2.0
TRIES = 5
LARGEST_BYTES = 50 * 1024 * 1024

FUNCTIONS = """
class Stopped(Refusal):
    code = "STOPPED"

class Pair(Record):
    left: list[int] = []
    right: list[int] = []

def again(n):
    return again(n + 1)

def ping(n):
    return pong(n)

def pong(n):
    return ping(n)

def endless():
    n = 0
    while True:
        yield n
        n += 1

def nested(n):
    yield n
    yield from nested(n + 1)

def through_sort(n):
    return sorted([1, 2], key=lambda x: through_sort(x))

def through_sort_in_place(n):
    [1, 2].sort(key=through_sort_in_place)

def failing():
    if len("") > 0:
        MANY_LOCALS
    raise KeyError
"""

FUNCTIONS = FUNCTIONS.replace("MANY_LOCALS", "; ".join(f"a{n} = 1" for n in range(300)))

HOSTILE = {**samples("hostile.txt"), "long body": ("while True:\n" + "    x = 1\n" * 2000, "BUDGET_EXCEEDED")}

REFUSED_AT_INSTALL = samples("refused_at_install.txt")


def outcome(contract: LoadedContract) -> tuple[str, str, int]:
    meter = Meter(BUDGET)
    with pytest.raises(LedgerError) as caught:
        contract.call("run", None, b"{}", meter)
    return caught.value.code, str(caught.value), meter.used


def is_quick(contract: LoadedContract, expected: tuple[str, str, int]) -> bool:
    """Within the limit, stretched by how slow this machine is around this very call."""
    before = slowness()
    start = time.thread_time()
    assert outcome(contract) == expected
    took_s = time.thread_time() - start
    return took_s < SLOWEST_S * max(before, slowness())


@pytest.mark.parametrize("name", HOSTILE)
def test_runaway_code_is_one_failed_call(name: str) -> None:
    """Within 50 MB and 100 ms of a quiet machine's processor (the best of several runs); the same each time."""
    body, code = HOSTILE[name]
    contract = load(body, top=FUNCTIONS)
    tracemalloc.start()
    try:
        first = outcome(contract)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert first[0] == code
    assert peak < LARGEST_BYTES
    if sys.gettrace() is None:  # measuring coverage makes every line slower
        assert any(is_quick(contract, first) for _ in range(TRIES))
    else:
        assert outcome(contract) == first


def test_depth_ends_before_the_interpreters_own_limit() -> None:
    """However deep the host's own stack is already, the deepest way to recurse ends as the same refusal."""
    contract = load("return through_sort_in_place(0)", top=FUNCTIONS)

    def below(frames: int) -> tuple[str, str, int]:
        return below(frames - 1) if frames else outcome(contract)

    assert below(350) == below(0)
    assert below(0)[0] == "DEPTH_EXCEEDED"


@pytest.mark.parametrize("name", REFUSED_AT_INSTALL)
def test_code_that_could_only_run_away_is_refused_at_install(name: str) -> None:
    """Where the text alone shows it, the package is refused with the line."""
    with pytest.raises(ChaincodeRefused, match=r"main\.py:\d+: \["):
        load(REFUSED_AT_INSTALL[name][0])


def test_what_a_package_costs_to_load_is_bounded_by_its_parts() -> None:
    """Many parts in few bytes are refused before anything walks them, with the file and the reason."""
    line = ";".join(["a+=a"] * 20)
    found = findings(source_of("a = 1\n" + (line + "\n") * (NODES_LIMIT // 60 + 1) + "return a"))
    assert [(finding.file, finding.rule) for finding in found] == [("main.py", "size")]
    assert not findings(source_of("a = 1\n" + (line + "\n") * (NODES_LIMIT // 60 - 10) + "return a"))


def test_branches_in_branches_are_weighed_once() -> None:
    """Sixty in one another, again and again: loading takes a time in proportion to the parts, not to the paths."""
    nest = "".join(" " * depth + "if a:\n" for depth in range(60)) + " " * 60 + "a = 1\n"
    before = time.process_time()
    load("a = 1\n" + nest * 50 + "return a")
    assert time.process_time() - before < SLOWEST_LOAD_S * slowness()
