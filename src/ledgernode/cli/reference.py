"""Everything a contract can be asked to do, as a page: functions and who may call them, events, refusals, records.

Read from the sources of a package (`outline`, `reach`), so that a page is never older than the code it is made from.
`docs/contracts.md` is `ledgernode chaincode describe --own src/chaincode`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ledgernode.cli.outline import outline
from ledgernode.cli.reach import Place, Reached, Sources
from ledgernode.errors import BadRequest
from ledgernode.execution.sandbox import source

_HEAD: Final = """# Contracts

Every function of every contract, with its roles, events and errors. Made from the code by
`ledgernode chaincode describe --own src/chaincode`, which describes your own contracts too.

*Roles* are those a signer must have; without any, everyone may call, and what a function requires beyond that stands in
its text and its refusals. A refusal's code in a receipt is `<contract>.<CODE>`; a contract that is part of the ledger
also answers with the ledger's own codes ([errors.md](errors.md)), which have no prefix. What a function *calls* may
refuse with codes of its own. Events and refusals are those that a call can come to by any of its paths.
"""
_EVENTS: Final = re.compile(r"\bEvents: (.*?)\.(?:\s|$)", re.DOTALL)
_ROLES: Final = re.compile(r"^Roles: .*?(?=^Events: |\bEvents: |^Timers: |\bNo events\b|\Z)", re.DOTALL | re.MULTILINE)


def contract_files(path: Path) -> list[Path]:
    """The contracts' own files in a folder, or the one file. Refuses a folder without a contract."""
    if path.is_file():
        return [path]
    found = [file for file in sorted(path.glob("*.py")) if file.name != "api.py" and _has_contract(file)]
    if not found:
        raise BadRequest(f"there is no contract in {path}")
    return found


def reference(name: str, version: str, entry: str, files: Mapping[str, str]) -> dict[str, Any]:
    """What there is to know of one contract from outside it."""
    sources = Sources(files)
    tree = sources.trees[entry]
    contract = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and "Contract" in source.base_names(node)
    )
    said = ast.get_docstring(tree) or ""
    declared = declared_events(said)
    methods = {item.name: item for item in contract.body if isinstance(item, ast.FunctionDef)}
    functions, reached = [], {}
    for function in outline(files[entry]):
        method = methods[function["name"]]
        found = reached[function["name"]] = sources.reached(entry, method, contract, declared)
        functions.append(
            {
                **function,
                "caller": _caller(method),
                "text": ast.get_docstring(method) or "",
                "events": sorted(found.events),
                "errors": sorted({one.code for one in found.refusals}),
                "calls": sorted(found.calls),
            }
        )
    roles = _ROLES.search(said)
    return {
        "name": name,
        "version": version,
        "summary": said.partition("\n\n")[0].replace("\n", " "),
        "roles": " ".join(roles[0].split()) if roles else "",
        "functions": functions,
        "events": _events(reached.values()),
        "errors": _errors(reached.values()),
        "records": _records(sources, entry, contract),
    }


def declared_events(said: str) -> frozenset[str]:
    """The events that a contract's docstring lists after `Events:`."""
    found = _EVENTS.search(said)
    return frozenset(re.findall(r"\w+", found[1])) if found else frozenset()


# ---------------------------------------------------------------- the page


def page(described: Iterable[Mapping[str, Any]]) -> str:
    """The contracts as Markdown, in order of their names."""
    contracts = sorted(described, key=lambda one: str(one["name"]))
    listed = " · ".join(f"[{one['name']}](#{one['name']})" for one in contracts)
    return "\n".join([_HEAD, listed, *(line for one in contracts for line in _section(one))]) + "\n"


def _section(one: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"## {one['name']}", "", f"Version {one['version']}. {one['summary']}")
    if one["roles"]:
        yield from ("", one["roles"])
    for function in one["functions"]:
        yield from ("", f"### `{function['call']}`", "", _who(function))
        if function["text"]:
            yield from ("", "\n\n".join(" ".join(part.split()) for part in function["text"].split("\n\n")))
        facts = [
            f"{word} {', '.join(f'`{name}`' for name in function[kind])}."
            for word, kind in (("Events:", "events"), ("Refuses with", "errors"), ("Calls", "calls"))
            if function[kind]
        ]
        if facts:
            yield from ("", " ".join(facts))
    if one["events"]:
        yield from ("", f"### Events of {one['name']}", "", "| event | carries |", "|---|---|")
        yield from (f"| `{name}` | {', '.join(fields)} |" for name, fields in one["events"].items())
    if one["errors"]:
        yield from ("", f"### Errors of {one['name']}", "", "| code | meaning |", "|---|---|")
        yield from (f"| `{code}` | {meaning} |" for code, meaning in one["errors"].items())
    if one["records"]:
        yield from ("", f"### Records of {one['name']}", "", "| record | fields | |", "|---|---|---|")
        yield from (f"| `{name}` | {_fields(found)} | {found['doc']} |" for name, found in one["records"].items())


def _who(function: Mapping[str, Any]) -> str:
    by = ", ".join(function["roles"]) or "every role"
    return f"*{function['kind']}*, {by}{', ' + function['caller'] if function['caller'] else ''}"


def _fields(record: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}: {kind}`".replace("|", "\\|") for name, kind in record["fields"].items())


# ---------------------------------------------------------------- parts


def _has_contract(file: Path) -> bool:
    tree = source.parse(file.name, file.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.ClassDef) and "Contract" in source.base_names(node) for node in tree.body)


def _caller(method: ast.FunctionDef) -> str:
    """What a function itself requires of how it is called: directly, or by one contract."""
    for node in ast.walk(method):
        match node:
            case ast.Call(func=ast.Name(id="require_direct")):
                return "not through another contract"
            case ast.Call(func=ast.Name(id="require_caller"), args=[_, ast.Constant(value=str(contract)), *_]):
                return f"only from contract {contract}"
    return ""


def _events(reached: Iterable[Reached]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for one in reached:
        for name, fields in one.events.items():
            found.setdefault(name, {}).update(dict.fromkeys(fields))
    return {name: list(fields) for name, fields in sorted(found.items())}


def _errors(reached: Iterable[Reached]) -> dict[str, str]:
    """Codes with their meanings; one code can have several."""
    found: dict[str, set[str]] = {}
    for one in reached:
        for refused in one.refusals:
            found.setdefault(refused.code, set()).add(refused.meaning)
    return {code: " ".join(sorted(meanings)) for code, meanings in sorted(found.items())}


def _records(sources: Sources, entry: str, contract: ast.ClassDef) -> dict[str, dict[str, Any]]:
    """The records that arguments and results are made of, by name."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [
        (entry, annotation)
        for item in contract.body
        if isinstance(item, ast.FunctionDef) and item.decorator_list
        for annotation in (item.returns, *(argument.annotation for argument in item.args.args[2:]))
        if annotation is not None
    ]
    seen: set[Place] = set()
    while waiting:
        file, annotation = waiting.pop()
        for part in ast.walk(annotation):
            place = sources.resolve(file, part.id) if isinstance(part, ast.Name) else None
            if place is None or place in seen:
                continue
            seen.add(place)
            node = sources.node(place)
            if isinstance(node, ast.ClassDef):
                fields = [
                    one for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
                ]
                found[place.name] = {
                    "fields": {ast.unparse(one.target): ast.unparse(one.annotation) for one in fields},
                    "doc": " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split()),
                }
                waiting.extend((place.file, one.annotation) for one in fields)
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                waiting.append((place.file, node.value))
    return dict(sorted(found.items()))
