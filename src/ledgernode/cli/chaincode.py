"""Contracts, from a first file to code that every node runs.

    new -> check -> package -> install -> approve (each organisation) -> commit

`deploy` does all of it at once where the admins' identities lie in one network's folder.
"""

from __future__ import annotations

import base64
import importlib
import inspect
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from ledgernode.cli import packaging
from ledgernode.cli.ask import Speaker
from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.output import decoded, done, json_option, progress, short, show, table
from ledgernode.errors import ContractRefused
from ledgernode.identity.records import SYSTEM_CONTRACTS

_CONTRACT: Final = "lifecycle"
_HASH_DIGITS: Final = 64
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_DONE_BEFORE: Final = ("lifecycle.INSTALLED_ALREADY", "lifecycle.APPROVED_ALREADY", "lifecycle.COMMITTED_ALREADY")


@click.group()
def chaincode() -> None:
    """Write, check, package and deploy contracts."""


for _command in (packaging.new, packaging.check, packaging.package_file, packaging.describe):
    chaincode.add_command(_command)


@chaincode.command()
@click.argument("file", type=_FILE)
@network_options
@json_option
def install(file: Path, at: Connection, as_json: bool) -> None:
    """Store a package (or a contract's file, packaged first) on the ledger, for all to read and approve.

    \b
    ledgernode chaincode install notice_board-1.0.0.package
    """
    raw = packaging.read_package(file)
    with Speaker(at) as speaker:
        found = _install(speaker, raw)
    done(f"installed {found}", as_json, {"hash": found})


@chaincode.command()
@click.argument("name")
@click.argument("package_hash", metavar="HASH")
@network_options
@json_option
def approve(name: str, package_hash: str, at: Connection, as_json: bool) -> None:
    """Approve a package for a contract's name, for your organisation. Read it first: `chaincode show HASH`.

    \b
    ledgernode chaincode approve notice_board 9b1d… --as south/admin
    """
    with Speaker(at) as speaker:
        speaker.submit(_CONTRACT, "approve", name=name, package_hash=package_hash)
        ready = speaker.ask(_CONTRACT, "readiness", name=name, package_hash=package_hash)
    stands = "it can be committed" if ready["ready"] else f"still missing: any of {', '.join(ready['missing'])}"
    done(f"approved by {', '.join(ready['approved'])}; {stands}", as_json, ready)


@chaincode.command()
@click.argument("name")
@click.argument("package_hash", metavar="HASH")
@click.option("--height", type=click.IntRange(0), default=0, help="From this block on (default: the next).")
@network_options
@json_option
def commit(name: str, package_hash: str, height: int, at: Connection, as_json: bool) -> None:
    """Let a contract's name be answered by an approved package, from a height on. Nodes go on running.

    \b
    ledgernode chaincode commit notice_board 9b1d…
    """
    with Speaker(at) as speaker:
        from_height = _commit(speaker, name, package_hash, height)
    document = {"name": name, "hash": package_hash, "height": from_height}
    done(f"{name} is {short(package_hash)} from block {from_height} on", as_json, document)


@chaincode.command()
@click.argument("file", type=_FILE)
@network_options
@json_option
def deploy(file: Path, at: Connection, as_json: bool) -> None:
    """Install, approve as every organisation of the network, and commit: for networks on one machine.

    What is done already is left as it is, so that it can be started again.

    \b
    ledgernode chaincode deploy notice_board.py
    """
    document = deploy_package(at, packaging.read_package(file))
    name, version, height = document["name"], document["version"], document["height"]
    done(f"{name} {version} answers from block {height} on\n  {document['hash']}", as_json, document)


@chaincode.command("list")
@network_options
@json_option
def list_contracts(at: Connection, as_json: bool) -> None:
    """List the contracts that are committed, with their versions.

    \b
    ledgernode chaincode list --json
    """
    with Speaker(at) as speaker:
        found = speaker.ask(_CONTRACT, "list")
    rows = (
        (one["name"], version["version"], version["height"], short(version["package_hash"]))
        for one in found
        for version in one["versions"]
    )
    columns = ("contract", "version", "from block", "package")
    show({"contracts": found}, as_json, table(columns, rows, numbers=("from block",)))


@chaincode.command("show")
@click.argument("which", metavar="NAME|HASH")
@click.option("--source", is_flag=True, help="Print the source, as it is installed.")
@network_options
@json_option
def show_contract(which: str, source: bool, at: Connection, as_json: bool) -> None:
    """Show what a contract, or an installed package, can be asked to do; with --source, its code.

    \b
    ledgernode chaincode show currency
    ledgernode chaincode show 9b1d… --source
    """
    from ledgernode.cli.outline import outline

    found = _found(at, which)
    functions = outline(found.files[found.entry])
    document = {
        "name": found.name,
        "version": found.version,
        "hash": found.hash,
        "functions": functions,
        **({"files": found.files} if source else {}),
    }
    if source:
        show(document, as_json, *(f"# {name}\n{text}" for name, text in sorted(found.files.items())))
        return
    rows = ((one["call"], one["kind"], ", ".join(one["roles"]) or "all", one["doc"]) for one in functions)
    title = f"{found.name} {found.version}  {found.hash or '(part of the ledger)'}"
    show(document, as_json, title, "", table(("call", "kind", "roles", "what it does"), rows))


# ---------------------------------------------------------------- steps


def deploy_package(at: Connection, raw: bytes) -> dict[str, Any]:
    """All steps of a deployment, as every organisation whose admin is at hand; what it came to."""
    from ledgernode.execution.sandbox import package

    packed = package.parse_package(raw, len(raw))
    organisations = at.network.organisations
    with progress(f"deploying {packed.name}") as report:
        steps = len(organisations) + 2
        with Speaker(at) as speaker:
            found = _install(speaker, raw)
        report(1, steps)
        for number, organisation in enumerate(organisations):
            with Speaker(at.speaking_as(organisation)) as speaker:
                _once(speaker, "approve", name=packed.name, package_hash=found)
            report(number + 2, steps)
        with Speaker(at) as speaker:
            height = _committed(speaker, packed.name, found)
    return {"name": packed.name, "version": packed.version, "hash": found, "height": height}


def _install(speaker: Speaker, raw: bytes) -> str:
    from ledgernode.execution.sandbox.package import package_hash

    _once(speaker, "install", package=base64.b64encode(raw).decode())
    return package_hash(raw)


def _commit(speaker: Speaker, name: str, package_hash: str, height: int) -> int:
    outcome = speaker.submit(_CONTRACT, "commit", name=name, package_hash=package_hash, height=height)
    from_height: int = decoded(outcome.result)
    return from_height


def _committed(speaker: Speaker, name: str, package_hash: str) -> int:
    """Commit, unless this package is what the name is answered by already."""
    try:
        return _commit(speaker, name, package_hash, 0)
    except ContractRefused as refusal:
        if refusal.facts.get("code") != "lifecycle.COMMITTED_ALREADY":
            raise
    from_height: int = speaker.ask(_CONTRACT, "describe", name=name)["versions"][-1]["height"]
    return from_height


def _once(speaker: Speaker, function: str, **arguments: Any) -> None:
    """Submit a step, unless it was done before."""
    try:
        speaker.submit(_CONTRACT, function, **arguments)
    except ContractRefused as refusal:
        if refusal.facts.get("code") not in _DONE_BEFORE:
            raise


class _Found(NamedTuple):
    """A contract's sources; the hash is empty for the ledger's own."""

    name: str
    version: str
    hash: str
    entry: str
    files: dict[str, str]


def _found(at: Connection, which: str) -> _Found:
    """A contract by name, or a package by hash."""
    from ledgernode.execution.sandbox.package import parse_package

    if which in SYSTEM_CONTRACTS:
        return _own(which)
    with Speaker(at) as speaker:
        if len(which) == _HASH_DIGITS:
            found = which
        else:
            found = speaker.ask(_CONTRACT, "describe", name=which)["versions"][-1]["package_hash"]
        raw = base64.b64decode(speaker.ask(_CONTRACT, "package", package_hash=found))
    packed = parse_package(raw, len(raw))
    return _Found(packed.name, packed.version, found, packed.entry, packed.files)


def _own(name: str) -> _Found:
    """A contract that is part of the ledger, as this software has it."""
    module = importlib.import_module(f"ledgernode.execution.system.{name}")
    version: str = getattr(module, name.capitalize()).version
    file = f"{name}.py"
    return _Found(name, version, "", file, {file: inspect.getsource(module)})
