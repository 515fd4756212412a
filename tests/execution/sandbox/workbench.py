"""Small contracts made from a few lines, and calls of them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ledgernode.execution.sandbox.checker import Finding, check
from ledgernode.execution.sandbox.loader import LoadedContract, load_package
from ledgernode.execution.sandbox.meter import Meter
from ledgernode.execution.sandbox.package import FORMAT, Package

HEAD = "from chaincode.api import Context, Contract, Record, Refusal, query, transaction\n"
BUDGET = 500_000
SAMPLES = Path(__file__).parent / "samples"


def samples(file: str) -> dict[str, tuple[str, str]]:
    """Named pieces of code, each with what is expected of it: `=== name -> expected`, then the code."""
    found: dict[str, tuple[str, str]] = {}
    for part in (SAMPLES / file).read_text(encoding="utf-8").split("=== ")[1:]:
        title, _, body = part.partition("\n")
        name, _, expected = title.partition(" -> ")
        assert name not in found, f"{name} stands twice in {file}"
        found[name] = (body.rstrip("\n"), expected)
    return found


def raw_package(files: Mapping[str, str], name: str = "sample", version: str = "1.0.0") -> bytes:
    """The bytes of a package whose entry is main.py, made without reading files."""
    stored = {"entry": "main.py", "files": dict(files), "format": FORMAT, "name": name, "version": version}
    return msgspec.msgpack.Encoder(order="sorted").encode(stored)


def source_of(body: str, *, top: str = "", arguments: str = "", result: str = "") -> str:
    """A contract with one query `run`."""
    head = f"    @query\n    def run(self, ctx: Context{arguments}){result}:\n"
    described = 'class Sample(Contract):\n    name = "sample"\n    version = "1.0.0"\n\n'
    return HEAD + textwrap.dedent(top) + "\n\n" + described + head + textwrap.indent(textwrap.dedent(body), " " * 8)


def load(body: str, **parts: str) -> LoadedContract:
    return load_package(raw_package({"main.py": source_of(body, **parts)}))


def run(
    body: str, *, budget: int = BUDGET, context: Any = None, given: Mapping[str, Any] | None = None, **parts: str
) -> Any:
    """The decoded result of `run`."""
    contract = load(body, **parts)
    return msgspec.json.decode(contract.call("run", context, msgspec.json.encode(given or {}), Meter(budget)))


def findings(text: str) -> tuple[Finding, ...]:
    """What the checker says of a whole main.py."""
    return check(Package("sample", "1.0.0", "main.py", {"main.py": text}))


def rules_broken(body: str, **parts: str) -> set[str]:
    return {finding.rule for finding in findings(source_of(body, **parts))}
