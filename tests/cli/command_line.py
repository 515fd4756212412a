"""The command line as tests use it: run a command, expect it to succeed, have a network with a running node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner, Result

from ledgernode.cli import main
from ledgernode.local.node import LocalNode
from tests.ports import fresh_port


class Ended(NamedTuple):
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """Its error, as --json gives it."""
        return json.loads(self.err)["error"]


def command(*arguments: object, **extra: Any) -> Ended:
    """Run one command in this process."""
    result: Result = CliRunner().invoke(main, [str(argument) for argument in arguments], **extra)
    return Ended(result.exit_code, result.stdout, result.stderr)


def done(*arguments: object, **extra: Any) -> Ended:
    """Run one command that must succeed."""
    ended = command(*arguments, **extra)
    assert ended.code == 0, f"{arguments}: {ended.err or ended.out}"
    return ended


class RunningNetwork:
    """A network of three organisations and its node; `home` is the node's."""

    def __init__(self, directory: Path) -> None:
        done("network", "init", directory, "--base-port", fresh_port())
        self.directory = directory
        self.home = directory / "nodes" / "north-1"
        self.node = LocalNode(self.home)
        self.node.wait_until_serving()

    def run(self, *arguments: object, **extra: Any) -> Ended:
        return command(*arguments, "--network", self.directory, **extra)

    def done(self, *arguments: object, **extra: Any) -> Ended:
        return done(*arguments, "--network", self.directory, **extra)

    def read(self, *arguments: object) -> Any:
        """The JSON document of a command that must succeed."""
        return self.done(*arguments, "--json").document

    def stop(self) -> int:
        return self.node.stop()

    def start(self) -> None:
        self.node = LocalNode(self.home)
        self.node.wait_until_serving()
