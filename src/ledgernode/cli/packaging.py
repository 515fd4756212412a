"""A contract on its author's desk: a first file, the check, the package, its page. No network is needed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Final

import click

from ledgernode.cli.output import done, json_option, show, table
from ledgernode.errors import BadRequest, ChaincodeRefused, Conflict
from ledgernode.identity.records import SYSTEM_CONTRACTS

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default=True,
    help="Folder to write into.",
)
def new(name: str, into: Path) -> None:
    """Write a contract that works as it stands, and its test: NAME.py and test_NAME.py.

    \b
    ledgernode chaincode new notice_board
    pytest test_notice_board.py
    """
    from ledgernode.cli import template

    if not _NAME.fullmatch(name):
        raise BadRequest(f"a contract's name is lower-case letters, digits and _, a letter first, not {name!r}")
    files = {into / f"{name}.py": template.contract(name), into / f"test_{name}.py": template.test(name)}
    if taken := [str(path) for path in files if path.exists()]:
        raise Conflict(f"{', '.join(taken)} exists already; nothing was written")
    into.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        done(str(path))


@click.command()
@click.argument("file", type=_FILE)
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check that a contract is deterministic; each finding with its line, rule and reason.

    Ends with the exit code of CHAINCODE_REFUSED when there is a finding.

    \b
    ledgernode chaincode check notice_board.py
    """
    from ledgernode.execution.sandbox import checker, package

    packed = package.parse_package(package.pack(file))
    findings = checker.check(packed)
    rows = [{"file": one.file, "line": one.line, "rule": one.rule, "reason": one.reason} for one in findings]
    places = ((f"{file.parent / one.file}:{one.line}", one.rule, one.reason) for one in findings)
    show(
        {"name": packed.name, "version": packed.version, "files": sorted(packed.files), "findings": rows},
        as_json,
        table(("where", "rule", "reason"), places) if findings else f"{packed.name} {packed.version}: no findings",
    )
    if findings:
        raise ChaincodeRefused(f"{len(findings)} findings in {file}", findings=len(findings))


@click.command("package")
@click.argument("file", type=_FILE)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: NAME-VERSION.package.")
@json_option
def package_file(file: Path, output: Path | None, as_json: bool) -> None:
    """Check a contract and bundle it with the modules beside it. The hash names the package from now on.

    \b
    ledgernode chaincode package notice_board.py
    """
    from ledgernode.execution.sandbox import package

    raw = checked_package(file)
    packed, found = package.parse_package(raw), package.package_hash(raw)
    path = output or Path(f"{packed.name}-{packed.version}.package")
    path.write_bytes(raw)
    done(
        f"{path}: {packed.name} {packed.version}\n  {found}",
        as_json,
        {"file": str(path), "name": packed.name, "version": packed.version, "hash": found, "bytes": len(raw)},
    )


@click.command()
@click.argument("paths", metavar="FILE|FOLDER...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--own", is_flag=True, help="Also the contracts that are part of the ledger.")
@json_option
def describe(paths: tuple[Path, ...], own: bool, as_json: bool) -> None:
    """Describe contracts as a page of Markdown: functions with roles, events, errors, and the records they take.

    Of a folder, every contract in it. What the code says is what the page says; nothing of it is run.

    \b
    ledgernode chaincode describe notice_board.py
    ledgernode chaincode describe --own src/chaincode > docs/contracts.md
    """
    from ledgernode.cli.reference import contract_files, page, reference
    from ledgernode.execution.sandbox.package import pack, parse_package

    packed = [parse_package(pack(file)) for path in paths for file in contract_files(path)]
    described = [reference(one.name, one.version, one.entry, one.files) for one in packed]
    if own:
        described += [reference(*own_contract(name)) for name in SYSTEM_CONTRACTS]
    show({"contracts": described}, as_json, page(described).rstrip())


def own_contract(name: str) -> tuple[str, str, str, dict[str, str]]:
    """(name, version, entry, sources) of a contract that is part of the ledger, as this software has it."""
    module = importlib.import_module(f"ledgernode.execution.system.{name}")
    files = {file.name: file.read_text(encoding="utf-8") for file in Path(module.__file__ or "").parent.glob("*.py")}
    return name, getattr(module, name.capitalize()).version, f"{name}.py", files


def checked_package(file: Path) -> bytes:
    """The package of a contract's file; refuses one that is not deterministic or does not load."""
    from ledgernode.execution.sandbox.loader import load_package
    from ledgernode.execution.sandbox.package import pack

    raw = pack(file)
    load_package(raw)
    return raw


def read_package(file: Path) -> bytes:
    """The package in a file, or of a contract's file."""
    return checked_package(file) if file.suffix == ".py" else file.read_bytes()
