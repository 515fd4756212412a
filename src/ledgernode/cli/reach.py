"""What a function of a contract can come to: its events, refusals and calls, found in the sources.

A definition is a function, class or constant at the top of a module. One reaches another by naming it, itself or
through an import; what a contract's function reaches may happen in a call of it. Nothing is run. A name that is
computed (`ctx.emit(name, …)`) stands for every declared name that it can be made of.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from ledgernode import errors
from ledgernode.execution.sandbox import source

_ERRORS: Final = "ledgernode.errors"
_PAST_TENSE: Final = re.compile(r"(?:[A-Z][a-z]+)+")


class Place(NamedTuple):
    """A definition, or (`name` empty) a whole module."""

    file: str
    name: str


class Refused(NamedTuple):
    """A refusal's code, and the first line of what its class says."""

    code: str
    meaning: str


class Reached(NamedTuple):
    """Of one function: events with the names they carry, refusals, and calls of other contracts."""

    events: dict[str, tuple[str, ...]]
    refusals: frozenset[Refused]
    calls: frozenset[str]


class Sources:
    """The modules of a package, with what stands in them and what they import from one another."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.trees = {file: source.parse(file, text) for file, text in sorted(files.items())}
        self._defined = {Place(file, name): node for file in self.trees for name, node in _defined(self.trees[file])}
        self._imported: dict[Place, Place] = {}
        self._refusals: dict[Place, Refused] = {}
        for file, tree in self.trees.items():
            for statement in source.imports(tree):
                self._import(file, statement)
        for place, node in self._defined.items():
            if isinstance(node, ast.ClassDef) and (found := self._refusal(node)) is not None:
                self._refusals[place] = found

    def node(self, place: Place) -> ast.AST | None:
        return self._defined.get(place)

    def resolve(self, file: str, name: str) -> Place | None:
        """Where a name that is used in a file is defined; None where it is not ours."""
        place = Place(file, name)
        return place if place in self._defined else self._imported.get(place)

    def reached(self, file: str, function: ast.AST, within: ast.ClassDef, declared: frozenset[str]) -> Reached:
        """Everything that a method of the contract class `within` can come to. `declared`: the contract's events."""
        own = {item.name: item for item in within.body if isinstance(item, ast.FunctionDef)}
        seen: set[Place] = set()
        waiting: list[tuple[str, ast.AST]] = [(file, function)]
        refusals: set[Refused] = set()
        calls: set[str] = set()
        emitted: list[ast.Call] = []
        constants: set[str] = set()
        while waiting:
            where, node = waiting.pop()
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    constants.add(part.value)
                elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
                    if part.func.attr == "emit":
                        emitted.append(part)
                    elif part.func.attr == "call":
                        calls |= _called(part)
                method = _of_itself(part)
                place = Place("", method) if method in own else self._named(where, part)
                if place is None or place in seen:
                    continue
                seen.add(place)
                if place in self._refusals:
                    refusals.add(self._refusals[place])
                elif (found := own.get(place.name) if not place.file else self._defined.get(place)) is not None:
                    waiting.append((place.file or where, found))
        known = declared or frozenset(name for name in constants if _PAST_TENSE.fullmatch(name))
        events: dict[str, tuple[str, ...]] = {}
        for call in emitted:
            carried = tuple(keyword.arg or "…" for keyword in call.keywords)
            for name in _names(call.args[0], constants, known):
                events[name] = tuple(dict.fromkeys(events.get(name, ()) + carried))
        return Reached(dict(sorted(events.items())), frozenset(refusals), frozenset(calls))

    def _import(self, file: str, statement: ast.ImportFrom) -> None:
        module = source.module_of(statement)
        for alias in statement.names:
            here = Place(file, alias.asname or alias.name)
            if module == _ERRORS:
                error = getattr(errors, alias.name, None)
                if isinstance(error, type) and issubclass(error, errors.LedgerError):
                    self._imported[here] = Place(_ERRORS, alias.name)
                    self._refusals[Place(_ERRORS, alias.name)] = Refused(error.code, _first_line(error.__doc__))
            elif (sibling := f"{module.rpartition('.')[2]}.py") in self.trees:
                self._imported[here] = Place(sibling, alias.name)
            elif f"{alias.name}.py" in self.trees:
                self._imported[here] = Place(f"{alias.name}.py", "")

    def _named(self, file: str, node: ast.AST) -> Place | None:
        """What a name, or a name of an imported module, stands for."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            return self.resolve(file, node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = self._imported.get(Place(file, node.value.id))
            return Place(module.file, node.attr) if module is not None and not module.name else None
        return None

    def _refusal(self, node: ast.ClassDef) -> Refused | None:
        """What a class says when it is a refusal: it derives from one, and says its code."""
        bases = source.base_names(node)
        for statement in node.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))) if bases:
                    return Refused(code, _first_line(ast.get_docstring(node)))
        return None


def _defined(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node


def _of_itself(node: ast.AST) -> str:
    """The name in `self.name`, '' elsewhere."""
    match node:
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
    return ""


def _called(call: ast.Call) -> set[str]:
    """`contract.function`, where a call of another contract names both."""
    match call.args[:2]:
        case [ast.Constant(value=str(contract)), ast.Constant(value=str(function))]:
            return {f"{contract}.{function}"}
    return set()


def _names(expression: ast.expr, constants: set[str], known: frozenset[str]) -> list[str]:
    """The events that this expression can name."""
    match expression:
        case ast.Constant(value=str(name)):
            return [name]
        case ast.IfExp(body=first, orelse=second):
            return _names(first, constants, known) + _names(second, constants, known)
        case ast.JoinedStr(values=parts):
            pattern = re.compile("".join(_pattern(part) for part in parts))
            return sorted(name for name in known if pattern.fullmatch(name))
    return sorted(constants & known)


def _pattern(part: ast.expr) -> str:
    match part:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.FormattedValue(value=ast.IfExp(body=ast.Constant(value=one), orelse=ast.Constant(value=other))):
            return f"(?:{re.escape(str(one))}|{re.escape(str(other))})"
    return r"\w+"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
