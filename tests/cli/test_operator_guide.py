"""The operator's guide is true: its shell blocks run, in their order, in an empty folder."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command_line import done
from tests.ports import fresh_port
from tests.running import START_SECONDS

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs" / "operator.md"
PLAIN = re.compile(r"(ledgernode [^\n$|>\\{]*('[^\n']*')?[^\n$|>\\{]*\n)+")
BLOCK = re.compile(r"^```sh ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def serving(text: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A node in the background that has said that it serves, however busy the machine is."""
    said = folder.parent / "node.out"
    with said.open("wb") as out:
        node = subprocess.Popen(["bash", "-c", f"exec {text}"], cwd=folder, env=environment, stdout=out)
    ends = time.monotonic() + START_SECONDS
    while "serving " not in said.read_text() and node.poll() is None and time.monotonic() < ends:
        time.sleep(0.1)
    return node


@pytest.mark.timeout(180)
def test_every_shell_block_of_the_guide_runs(tmp_path: Path) -> None:
    """Whoever copies the guide's commands, block by block, has each of them succeed."""
    program = tmp_path / "bin" / "ledgernode"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ledgernode.cli "$@"\n')
    program.chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    nodes: list[subprocess.Popen[bytes]] = []
    elsewhere = f"--ledger market --base-port {fresh_port()}"  # the guide's own port may be taken here
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8").replace("--ledger market", elsewhere))
    assert {kind for kind, _ in blocks} == {"", "background", "stop"}
    try:
        for kind, text in blocks:
            if kind == "background":
                nodes.append(serving(text, folder, environment))
                continue
            if kind == "stop":
                for node in nodes:
                    node.send_signal(signal.SIGINT)
                    assert node.wait(30) == 0
            if PLAIN.fullmatch(text):  # the same, without a new process for each line
                with contextlib.chdir(folder):
                    for line in text.splitlines():
                        done(*shlex.split(line, comments=True)[1:])
                continue
            ended = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=90,
            )  # fmt: skip
            assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
    finally:
        for node in nodes:
            node.kill()
            node.wait()
