"""An OpenID provider as a process of its own (Node 20), in which whoever signs in is of that group."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway.sessions.staff import BACK
from tests.ports import fresh_port

SECRET = "a secret of the tests, of no use elsewhere"  # as provider.mjs has it
_HERE = Path(__file__).parent / "provider"


class Place(NamedTuple):
    issuer: str
    port: int
    """Where our own pages are, which the provider knows."""


@contextmanager
def running_provider() -> Iterator[Place]:
    """It sends people back to a port that nobody has yet."""
    npm, node = shutil.which("npm"), shutil.which("node")
    assert npm is not None, "the provider runs on Node 20: install it"
    assert node is not None, "the provider runs on Node 20: install it"
    if not (_HERE / "node_modules").is_dir():
        subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=_HERE, check=True, timeout=120)
    port, own = fresh_port(1), fresh_port(1)
    command = [node, "provider.mjs", str(port), f"http://127.0.0.1:{own}{BACK}"]
    process = subprocess.Popen(command, cwd=_HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield Place(f"http://127.0.0.1:{port}", own)
    finally:
        process.kill()
        process.wait()
