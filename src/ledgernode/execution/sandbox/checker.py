"""The static check at install: everything the contract language does not have is refused, with line and reason.

It keeps contracts deterministic and inside what the rewriting can meter. Rule names are stable. It is no
security boundary: the organisations that approve a package read it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

import msgspec

from ledgernode.errors import ChaincodeRefused
from ledgernode.execution.sandbox import source
from ledgernode.execution.sandbox.expressions import bound_names
from ledgernode.execution.sandbox.names import Names
from ledgernode.execution.sandbox.package import Package
from ledgernode.execution.sandbox.rules import Rules

MESSAGE_FINDINGS: Final = 20
"""How many findings the refusal's own text lists; all of them are in its facts."""

NODES_LIMIT: Final = 32_000
"""Of all files' trees: reading and rewriting takes its time by nodes, not by bytes, and this is what bounds it."""


class Finding(msgspec.Struct, frozen=True, order=True):
    """One place that breaks a rule."""

    file: str
    line: int
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: [{self.rule}] {self.reason}"


def check(package: Package) -> tuple[Finding, ...]:
    """Every finding, in order of file and line; none for a package that may be installed."""
    return _read(package)[1]


def _read(package: Package) -> tuple[dict[str, ast.Module], tuple[Finding, ...]]:
    found: list[Finding] = []
    trees: dict[str, ast.Module] = {}
    parts: dict[str, list[ast.AST]] = {}
    nodes = 0
    for file in sorted(package.files):
        try:
            trees[file], parts[file] = source.parts(file, package.files[file])
        except source.Unreadable as error:
            found.append(_unreadable(error))
            continue
        nodes += len(parts[file])
        if nodes > NODES_LIMIT:
            found.append(
                Finding(file, 1, "size", f"a package has at most {NODES_LIMIT} parts: names, numbers, calls, …")
            )
            break
    if found:
        return trees, tuple(found)
    found += _identity_findings(package, trees[package.entry])
    found += _cycle_findings(trees)
    names = Names(trees)
    for file, tree in trees.items():
        rules = Rules(file, tree, names, bound_names(parts[file]))
        found += [Finding(file, line, rule, reason) for line, rule, reason in rules.findings()]
    return trees, tuple(sorted(set(found)))


def require_deterministic(package: Package) -> dict[str, ast.Module]:
    """The syntax trees of its files. Refuses (ChaincodeRefused) a package with findings, listing them."""
    trees, found = _read(package)
    if found:
        listed = "\n".join(str(finding) for finding in found[:MESSAGE_FINDINGS])
        more = len(found) - MESSAGE_FINDINGS
        tail = f"\n… and {more} more" if more > 0 else ""
        raise ChaincodeRefused(listed + tail, findings=found)
    return trees


def load_order(trees: Mapping[str, ast.Module]) -> list[str]:
    """Files, each after those it imports. Refuses (ChaincodeRefused) imports in a circle."""
    done: list[str] = []
    rest = {file: _siblings(tree, trees) for file, tree in trees.items()}
    while rest:
        ready = sorted(file for file, needs in rest.items() if needs <= set(done))
        if not ready:
            raise ChaincodeRefused(f"{', '.join(sorted(rest))} import each other in a circle")
        done += ready
        for file in ready:
            del rest[file]
    return done


def _siblings(tree: ast.Module, trees: Mapping[str, ast.Module]) -> set[str]:
    files = (source.sibling_file(module) for module in source.imported_modules(tree))
    return {file for file in files if file is not None and file in trees}


def _unreadable(error: source.Unreadable) -> Finding:
    facts = error.facts
    return Finding(str(facts["file"]), int(str(facts["line"])), "syntax", str(facts["reason"]))


def _identity_findings(package: Package, entry: ast.Module) -> list[Finding]:
    try:
        declared = source.declared_contract(entry)
    except ChaincodeRefused as error:
        return [Finding(package.entry, 1, "contract", error.message)]
    if (declared.name, declared.version) == (package.name, package.version):
        return []
    reason = "name and version of the package are not those of its contract: package it again"
    return [Finding(package.entry, declared.line, "contract", reason)]


def _cycle_findings(trees: Mapping[str, ast.Module]) -> list[Finding]:
    try:
        load_order(trees)
    except ChaincodeRefused as error:
        return [Finding(min(trees), 1, "import", error.message)]
    return []
