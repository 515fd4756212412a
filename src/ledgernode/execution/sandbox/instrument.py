# ruff: noqa: N802 - methods of a syntax visitor are named after the nodes
"""Rewrites a checked module so that it counts what it does.

* every function is charged where it is entered, and its depth kept; every turn of a loop, every element
  of a comprehension, and every larger branch is charged for its straight code;
* an operator, comparison, subscript, method or spread that could be expensive becomes a metered call; where
  both sides are small names, a test of the type in place saves the call;
* imports and annotations are taken out (the loader binds names, and reads types from the source), what a
  module or class names is frozen.

The rewriting relies on the checker: it is never run on a module with findings.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from ledgernode.execution.sandbox.expressions import Expressions, called
from ledgernode.execution.sandbox.guards import hidden
from ledgernode.execution.sandbox.meter import CALL_DEPTH
from ledgernode.execution.sandbox.source import base_names, children, placed, walk
from ledgernode.execution.sandbox.weights import Weights

_METER: Final = hidden("meter")
_SEAT: Final = hidden("seat")
_IN_PLACE: Final = {ast.Add: "iadd", ast.Mult: "imult", ast.BitOr: "ibitor"}

_ENTER: Final = f"""
{_METER} = {_SEAT}.meter
{_METER}.left -= UNITS
{_METER}.depth += 1
if {_METER}.left < 0 or {_METER}.depth > {CALL_DEPTH}:
    {_METER}.stop()
try:
    BODY
finally:
    {_METER}.depth -= 1
"""
_ENTER_GENERATOR: Final = (
    f"{_METER} = {_SEAT}.meter\n{_METER}.left -= UNITS\nif {_METER}.left < 0:\n    {_METER}.stop()"
)
_TURN: Final = f"{_METER}.left -= UNITS\nif {_METER}.left < 0:\n    {_METER}.stop()"
_BRANCH: Final = f"{_METER}.left -= UNITS"


def instrument(tree: ast.Module, nodes: Sequence[ast.AST], weights: Weights) -> ast.Module:
    """The module, rewritten in place; `nodes` are all of it."""
    return placed(Statements(nodes, weights).module(tree))


class Statements(Expressions):
    """Rewrites statements; expressions are the base class's."""

    def __init__(self, nodes: Sequence[ast.AST], weights: Weights) -> None:
        super().__init__(nodes, weights)
        self._temporaries = 0

    # ------------------------------------------------------------ modules and classes

    def module(self, tree: ast.Module) -> ast.Module:
        tree.body = [self._top(node) for node in tree.body if not isinstance(node, ast.ImportFrom)]
        return tree

    def _top(self, node: ast.stmt) -> ast.stmt:
        match node:
            case ast.ClassDef():
                return self._class(node)
            case ast.FunctionDef():
                return self.visit_FunctionDef(node)
            case ast.Assign() | ast.AnnAssign():
                return self._constant(node)
        return node

    def _class(self, node: ast.ClassDef) -> ast.ClassDef:
        record = "Record" in base_names(node) or any(name in self.records for name in base_names(node))
        if record:
            self.records.add(node.name)
        body: list[ast.stmt] = []
        for part in node.body:
            if isinstance(part, ast.AnnAssign) and record:
                part.annotation = ast.Constant(ast.unparse(part.annotation))
                part.value = self._default(part.value)
                body.append(part)
            elif isinstance(part, ast.AnnAssign) and part.value is None:
                continue
            else:
                body.append(self._top(part))
        node.body = body or [ast.Pass()]
        return node

    def _default(self, value: ast.expr | None) -> ast.expr | None:
        """A field's default; an empty list or map stays, since every record gets a fresh one."""
        if value is None or isinstance(value, (ast.List, ast.Dict)):
            return value
        return called("freeze", self.visit(value))

    def _constant(self, node: ast.Assign | ast.AnnAssign) -> ast.stmt:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        targets: list[ast.expr] = [*node.targets] if isinstance(node, ast.Assign) else [node.target]
        frozen = called("freeze", self.visit(node.value))
        return ast.copy_location(ast.Assign(targets=targets, value=frozen), node)

    # ------------------------------------------------------------ functions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        units = 1 + self.weights.units(*node.body)
        yields = _yields(node)
        self._plain_arguments(node.args)
        node.returns = None
        outer, self.binds_here = self.binds_here, True
        body = self.suite(node.body)
        self.binds_here = outer
        if yields:
            enter = _template(_ENTER_GENERATOR, units)
            node.decorator_list.append(called("generator", ast.Constant(units)))
            node.body = [*enter, *body]
        else:
            enter = _template(_ENTER, units)
            _last_try(enter).body = body
            node.body = enter
        return node

    def _plain_arguments(self, arguments: ast.arguments) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for argument in every:
            if argument is not None:
                argument.annotation = None
        arguments.defaults = [self.visit(default) for default in arguments.defaults]
        arguments.kw_defaults = [self.visit(default) if default else None for default in arguments.kw_defaults]

    def suite(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """A run of statements, rewritten; one may become several."""
        found: list[ast.stmt] = []
        for statement in body:
            made = self.visit(statement)
            found.extend(made if isinstance(made, list) else [made])
        return found or [ast.Pass()]

    def _branch(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """A branch that may not be taken: charged when it is, if it is worth the charge."""
        if body and self.weights.charges_itself(body):
            return [*_template(_BRANCH, self.weights.units(*body)), *self.suite(body)]
        return self.suite(body) if body else []

    # ------------------------------------------------------------ loops and branches

    def visit_While(self, node: ast.While) -> ast.While:
        turn = _template(_TURN, 1 + self.weights.units(node.test, *node.body))
        node.test = self.visit(node.test)
        node.body = [*turn, *self.suite(node.body)]
        node.orelse = self._branch(node.orelse)
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        turn = _template(_TURN, self.weights.units(node.target, *node.body))
        node.iter = self.visit(node.iter)
        node.body = [*turn, *self.suite(node.body)]
        node.orelse = self._branch(node.orelse)
        return node

    def visit_If(self, node: ast.If) -> ast.If:
        node.test = self.visit(node.test)
        node.body = self._branch(node.body)
        node.orelse = self._branch(node.orelse)
        return node

    def visit_Try(self, node: ast.Try) -> ast.Try:
        node.body = self.suite(node.body)
        for handler in node.handlers:
            caught = [ast.Expr(called("caught", _loaded(handler.name)))] if handler.name else []
            handler.body = [*caught, *self.suite(handler.body)]
        node.orelse = self.suite(node.orelse) if node.orelse else []
        node.finalbody = self.suite(node.finalbody) if node.finalbody else []
        return node

    def visit_Match(self, node: ast.Match) -> ast.Match:
        values = [part for case in node.cases for part in walk(case.pattern) if isinstance(part, ast.MatchValue)]
        subject = self.visit(node.subject)
        plain = all(isinstance(part.value, (ast.Constant, ast.UnaryOp)) for part in values)
        node.subject = subject if plain else called("comparable", subject)
        for case in node.cases:
            for part in walk(case.pattern):
                if isinstance(part, ast.MatchClass) and isinstance(part.cls, ast.Name):
                    part.cls = self.real_type(part.cls)
            case.guard = self.visit(case.guard) if case.guard else None
            case.body = self.suite(case.body)
        return node

    # ------------------------------------------------------------ assignments

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | list[ast.stmt]:
        value = self.visit(node.value)
        if any(isinstance(part, ast.Starred) for target in node.targets for part in walk(target)):
            value = called("spread", value)
        if len(node.targets) == 1 and _is_names(node.targets[0]):
            node.value = value
            return node
        if len(node.targets) == 1 and not isinstance(node.targets[0], (ast.Tuple, ast.List)):
            return _at(node, self._store(node.targets[0], value))
        return _at(node, *self._store_many(node.targets, value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | list[ast.stmt]:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        plain = ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)
        return self.visit_Assign(plain)

    def _store_many(self, targets: list[ast.expr], value: ast.expr) -> list[ast.stmt]:
        """Take the value apart into temporaries first, as the interpreter does, then store each in turn."""
        whole = self._temporary()
        found: list[ast.stmt] = [ast.Assign(targets=[_stored(whole)], value=value)]
        for target in targets:
            later: list[ast.stmt] = []
            shape = self._shape(target, later)
            found += [ast.Assign(targets=[shape], value=_loaded(whole)), *later]
        return found

    def _shape(self, target: ast.expr, later: list[ast.stmt]) -> ast.expr:
        match target:
            case ast.Name():
                return target
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return ast.Tuple(elts=[self._shape(part, later) for part in parts], ctx=ast.Store())
            case ast.Starred(value=part):
                return ast.Starred(value=self._shape(part, later), ctx=ast.Store())
        name = self._temporary()
        later.append(self._store(target, _loaded(name)))
        return _stored(name)

    def _store(self, target: ast.expr, value: ast.expr) -> ast.stmt:
        match target:
            case ast.Attribute(value=holder, attr=name):
                return ast.Expr(called("storeattribute", self.visit(holder), ast.Constant(name), value))
            case ast.Subscript(value=holder, slice=ast.Slice() as part):
                return ast.Expr(called("storeslice", self.visit(holder), *self.bounds(part), value))
            case ast.Subscript(value=holder, slice=at):
                stored = ast.Subscript(value=self.visit(holder), slice=self.index(at), ctx=ast.Store())
                return ast.Assign(targets=[stored], value=value)
        return ast.Assign(targets=[target], value=value)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt | list[ast.stmt]:
        before: list[ast.stmt] = []
        match node.target:
            case ast.Name(id=name):
                loaded: ast.expr = _loaded(name)
            case ast.Attribute(value=holder, attr=name):
                kept = self._keep(holder, before)
                loaded = self.visit(ast.Attribute(value=kept, attr=name, ctx=ast.Load()))
                node.target = ast.Attribute(value=kept, attr=name, ctx=ast.Store())
            case ast.Subscript(value=holder, slice=at):
                kept, place = self._keep(holder, before), self._keep(at, before)
                loaded = self.visit(ast.Subscript(value=kept, slice=place, ctx=ast.Load()))
                node.target = ast.Subscript(value=kept, slice=place, ctx=ast.Store())
        guard = _IN_PLACE.get(type(node.op)) or self.guard_name(node.op)
        if isinstance(loaded, ast.Name):
            value = self.operation(node.op, loaded, node.value, guard)
        else:
            value = called(guard, loaded, self.visit(node.value))
        return _at(node, *before, self._store(node.target, value))

    def _keep(self, node: ast.expr, before: list[ast.stmt]) -> ast.Name:
        """Evaluate an expression once, into a temporary."""
        if isinstance(node, ast.Name):
            return node
        name = self._temporary()
        before.append(ast.Assign(targets=[_stored(name)], value=self.visit(node)))
        return _loaded(name)

    def _temporary(self) -> str:
        self._temporaries += 1
        return hidden(f"kept_{self._temporaries}")

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for target in node.targets:
            assert isinstance(target, ast.Subscript), "the checker lets only parts be deleted"
            holder = self.visit(target.value)
            if isinstance(target.slice, ast.Slice):
                found.append(ast.Expr(called("deleteslice", holder, *self.bounds(target.slice))))
            else:
                found.append(ast.Expr(called("deleteitem", holder, self.visit(target.slice))))
        return _at(node, *found)


def _template(text: str, units: int) -> list[ast.stmt]:
    """Fresh nodes of it, which stand nowhere yet."""
    return [_copied(statement, units) for statement in _parsed(text)]


@lru_cache
def _parsed(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


def _copied(part: Any, units: int) -> Any:
    if isinstance(part, list):
        return [_copied(each, units) for each in part]
    if not isinstance(part, ast.AST):
        return part
    if isinstance(part, ast.Name) and part.id == "UNITS":
        return ast.Constant(units)
    return type(part)(**{field: _copied(getattr(part, field), units) for field in part._fields})


def _last_try(body: list[ast.stmt]) -> ast.Try:
    last = body[-1]
    assert isinstance(last, ast.Try), "the template ends with it"
    return last


def _at(place: ast.stmt, *made: ast.stmt) -> list[ast.stmt]:
    return [ast.copy_location(statement, place) for statement in made]


def _is_names(target: ast.expr) -> bool:
    inside = (ast.Name, ast.Tuple, ast.List, ast.Starred)
    return all(isinstance(part, inside) for part in walk(target))


def _loaded(name: str) -> ast.Name:
    return ast.Name(id=name, ctx=ast.Load())


def _stored(name: str) -> ast.Name:
    return ast.Name(id=name, ctx=ast.Store())


def _yields(node: ast.FunctionDef) -> bool:
    """Whether the function itself yields, not one within it."""
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        part = waiting.pop()
        if isinstance(part, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(part, (ast.FunctionDef, ast.Lambda)):
            waiting.extend(children(part))
    return False
