"""docs/kubernetes.md followed to the letter in a cluster: four organisations, a backup, a restored volume, a fifth.

A block that names $org is for each of those who do it, each in a process of its own, side by side, as they would be;
the others run once. `kubectl apply -k` goes through `fitted.py`: what this cluster lacks is fitted there alone. ID
is replaced, as a reader would, by what `governance list` shows.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time

from tests.conditions import until
from tests.docs.reading import Block, blocks
from tests.k8s.cluster import Cluster
from tests.k8s.parts import ROOT
from tests.k8s.town import say

PAGE = ROOT / "docs" / "kubernetes.md"
FOUNDERS = ("alpha", "beta", "gamma", "delta")
FIFTH = "epsilon"
BLOCK_S = 900
_MARK = "make k8s-test"


class Reader:
    """In a folder of its own, where a clone's `deploy` and what was founded lie."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._folder = cluster.directory / "page"
        self._programs = cluster.directory / "page-programs"
        self.sections = _sections()

    def begin(self) -> None:
        """`ledgernode`, `kubectl` and our manifests are there, as a clone and an install would bring them."""
        self._folder.mkdir()
        self._programs.mkdir()
        (self._folder / "deploy").symlink_to(ROOT / "deploy")
        python, kubectl = shlex.quote(sys.executable), " ".join(map(shlex.quote, self._cluster.program))
        path = shlex.quote(os.environ["PATH"])
        fitted = f'(cd {shlex.quote(str(ROOT))} && PATH={path} {python} -m tests.k8s.fitted "${{3#deploy/k8s/}}")'
        apply = f'[ "$1 $2" != "apply -k" ] || {{ {fitted} | {kubectl} apply --validate=false -f -; exit; }}'
        for name, lines in (
            ("ledgernode", [f'exec {python} -m ledgernode.cli "$@"']),
            ("kubectl", ["set -o pipefail", apply, f'exec {kubectl} "$@"']),
        ):
            (self._programs / name).write_text("\n".join(["#!/bin/bash", *lines, ""]))
            (self._programs / name).chmod(0o755)

    def follow(self, section: str, *organisations: str) -> None:
        """Every block of it: a part's title, with the step's number ("A fifth joins 2")."""
        for block in self.sections[section]:
            self.run(block, *organisations)

    def run(self, block: Block, *organisations: str) -> None:
        """For each of them, side by side, where it names $org; once where it does not."""
        who = organisations if "$org" in block.text else ("",)
        for one, process in [(one, self._started(block.text, one)) for one in who]:
            said, _ = process.communicate(timeout=BLOCK_S)
            assert process.returncode == 0, f"{PAGE.name}:{block.line} {one}\n{block.text}--- said:\n{said[-3_000:]}"

    def approve(self, kind: str) -> None:
        """The open proposal of this kind, as soon as it is there: by one after another, until it is enacted."""
        block = self.sections["A fifth joins 2"][1]
        proposal = until(lambda: self._open(kind), 300, every_s=1)
        for one in FOUNDERS[1:]:
            said = self.said(block.text.replace(" ID ", f" {proposal} "), one)
            if "enacted" in said:
                return
        raise AssertionError(f"{kind} was not enacted: {said}")

    def _open(self, kind: str) -> str:
        listed = json.loads(self.said(f"ledgernode governance list --json {self.asking('alpha')}"))
        return next((one["id"] for one in listed["proposals"] if one["kind"] == kind), "")

    def height(self, organisation: str) -> int:
        """Of that organisation's own node."""
        found = json.loads(self.said(f"ledgernode node status --json {self.asking(organisation)}"))
        return int(found["nodes"][0]["ledgers"][0]["height"])

    def asking(self, organisation: str, *, by: str = "") -> str:
        endpoint = f"validator-0.validator.{organisation}.svc.cluster.local:7051"
        return f"--identity {by or organisation}/admin --genesis genesis.json --endpoint {endpoint}"

    def said(self, command: str, organisation: str = "") -> str:
        process = self._started(command, organisation)
        said, _ = process.communicate(timeout=BLOCK_S)
        assert process.returncode == 0, f"{command}\n--- said:\n{said[-3_000:]}"
        return said

    def _started(self, text: str, organisation: str) -> subprocess.Popen[str]:
        script = "set -eu\n" + text.replace("export org=alpha\n", "")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LEDGERNODE_")},
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "org": organisation,
        }
        return subprocess.Popen(
            self._cluster.inside(["bash", "-c", script], "default"), cwd=self._folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _sections() -> dict[str, list[Block]]:
    """Blocks that are followed, by title and step."""
    found: dict[str, list[Block]] = {}
    at = {block.line: block for block in blocks(PAGE) if block.what == "sh" and _MARK in block.not_run}
    title = step = ""
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if line.startswith("## "):
            title, step = line.removeprefix("## "), ""
        elif line.startswith("**") and line[2].isdigit():
            step = f" {line[2]}"
        if number in at:
            found.setdefault(title + step, []).append(at.pop(number))
    assert not at
    return found


# ---------------------------------------------------------------- the steps


def consortium(cluster: Cluster) -> None:
    """From nothing to four organisations, each in a namespace of its own."""
    reader = Reader(cluster)
    reader.begin()
    began = time.monotonic()
    for step in range(2, 8):
        reader.follow(f"From nothing to four organisations {step}", *FOUNDERS)
    say(f"four organisations had followed the page to a ledger after {time.monotonic() - began:.0f} s")
    until(lambda: cluster.ready("alpha", "gateway"), 300, every_s=0.5)
    for one in FOUNDERS:
        assert cluster.ready(one, "validator") == ["validator-0"]
    heights = {reader.height(one) for one in FOUNDERS}
    assert min(heights) > 0, heights


def backup(cluster: Cluster) -> None:
    """The CronJob's own job keeps a snapshot; a volume that is lost is filled from it, and its validator goes on."""
    reader = Reader(cluster)
    height, volume = reader.height("alpha"), _volume(cluster)
    taking, restoring = reader.sections["Backup and restore"]
    began = time.monotonic()
    reader.run(taking)
    say(f"a backup, by the CronJob's own job, took {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    reader.run(restoring)
    say(f"a lost volume was filled from it, and its validator ready, after {time.monotonic() - began:.0f} s")
    assert _volume(cluster) != volume, "it is the volume that was lost"
    reader.said(f"ledgernode identity register alpha/broker.pem {reader.asking('beta', by='alpha')}")
    until(lambda: reader.height("alpha") > height, 120, every_s=1)


def _volume(cluster: Cluster) -> str:
    claim = cluster.ask("/api/v1/namespaces/alpha/persistentvolumeclaims/data-validator-0")
    return str(claim["spec"]["volumeName"])


def fifth(cluster: Cluster) -> None:
    """An organisation that nobody knew joins by governance; its job proposes its validator, which takes a seat."""
    reader = Reader(cluster)
    began = time.monotonic()
    reader.follow("From nothing to four organisations 2", FIFTH)
    for step in (4, 5, 6):
        for block in reader.sections[f"From nothing to four organisations {step}"]:
            if "rollout status" in block.text:  # it waits, as the page says, until it is let in
                reader.said(block.text.partition("\n")[0], FIFTH)
            else:
                reader.run(block, FIFTH)
    propose, _ = reader.sections["A fifth joins 2"]
    reader.run(propose)
    reader.approve("add_organisation")
    reader.follow("A fifth joins 3")
    reader.approve("add_validator")
    reader.follow("A fifth joins 4")
    validators = json.loads(reader.said(f"ledgernode governance validators --json {reader.asking('alpha')}"))
    assert FIFTH in json.dumps(validators), validators
    until(lambda: cluster.ready(FIFTH, "validator"), 300, every_s=0.5)
    say(f"a fifth organisation had a seat and a node that is ready after {time.monotonic() - began:.0f} s")


def leave(cluster: Cluster) -> None:
    """All five namespaces end, every process on SIGTERM within its grace period."""
    began = time.monotonic()
    for one in (*FOUNDERS, FIFTH):
        cluster.kubectl("delete", "namespace", one, "--wait=false", "--ignore-not-found")
    until(lambda: not any(_pods(cluster, one) for one in (*FOUNDERS, FIFTH)), 180, every_s=0.25)
    say(f"five organisations' processes ended on SIGTERM, after {time.monotonic() - began:.0f} s at most")


def _pods(cluster: Cluster, namespace: str) -> bool:
    return bool(cluster.ask(f"/api/v1/namespaces/{namespace}/pods")["items"])
