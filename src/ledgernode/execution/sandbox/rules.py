# ruff: noqa: N802 - methods of a syntax visitor are named after the nodes
"""The rules of a module: what stands at its top, in its classes, and in the heads of its functions.

Each finding is (line, rule, reason); the reason says what to write instead.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from ledgernode.execution.sandbox import language, source
from ledgernode.execution.sandbox.code_rules import MODULE_WIDE, Found, is_steady
from ledgernode.execution.sandbox.pattern_rules import PatternRules
from ledgernode.execution.sandbox.source import walk

FIELDS_LIMIT: Final = 64
"""Of one record: making one is charged by the field, when the code is read."""

_MARKS: Final = frozenset({"query", "transaction"})


class Rules(PatternRules):
    """Walks one module and notes what breaks a rule."""

    def findings(self) -> list[Found]:
        for node in self._tree.body:
            self._top(node)
        return self._found

    # ------------------------------------------------------------ modules

    def _top(self, node: ast.stmt) -> None:
        match node:
            case ast.ImportFrom():
                self._import(node)
            case ast.Import():
                self.refuse(node, "import", "write from … import …, naming what is used")
            case ast.ClassDef():
                self._class(node)
            case ast.FunctionDef():
                self.visit(node)
            case ast.Assign(targets=targets, value=value):
                self._shared(node, targets, value)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                self._annotation(annotation)
                self._shared(node, [target], value)
            case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                pass
            case _:
                self.refuse(node, "module-statement", "a module holds imports, constants, functions and classes only")

    def _import(self, node: ast.ImportFrom) -> None:
        module = source.module_of(node)
        sibling = source.sibling_file(module)
        for alias in node.names:
            if alias.name == "*":
                self.refuse(node, "import", "name what is imported: * hides it")
            self._name(node, alias.asname or alias.name)
        if module == "__future__":
            return
        if module == source.API:
            allowed, what = language.API_NAMES, "chaincode.api"
            self._marks |= {alias.asname or alias.name for alias in node.names if alias.name in _MARKS}
        elif module in source.TYPING_MODULES:
            allowed, what = language.TYPING_NAMES, f"{module}, for annotations"
            self._typing |= {alias.asname or alias.name for alias in node.names}
        elif sibling is not None and sibling in self._names.top:
            allowed, what = self._names.top[sibling], sibling
        else:
            reason = "a contract imports chaincode.api, modules beside it, and typing for annotations: nothing else"
            self.refuse(node, "import", f"{module or 'this'} is refused: {reason}")
            return
        for alias in node.names:
            if alias.name not in allowed and alias.name != "*":
                self.refuse(node, "import", f"{alias.name} is not to be had from {what}")

    def _shared(self, node: ast.stmt, targets: Sequence[ast.expr], value: ast.expr | None) -> None:
        """A constant of a module or class."""
        for target in targets:
            if not isinstance(target, ast.Name):
                self.refuse(node, "module-value", f"{MODULE_WIDE}: name one constant at a time")
            self.visit(target)
        if value is None:
            return
        for part in walk(value):
            if isinstance(part, (ast.List, ast.ListComp)):
                self.refuse(part, "module-value", f"{MODULE_WIDE}: write a tuple instead of a list")
            elif isinstance(part, ast.GeneratorExp) and part is value:
                self.refuse(part, "module-value", f"{MODULE_WIDE}: a generator is used up by the first call")
            elif isinstance(part, ast.NamedExpr):
                self.refuse(part, "module-value", f"{MODULE_WIDE}: name one constant at a time")
        self.visit(value)

    # ------------------------------------------------------------ classes

    def _class(self, node: ast.ClassDef) -> None:
        self._name(node, node.name)
        kind = self._names.kind(self._file, node.name)
        if kind == "" or any(not isinstance(base, ast.Name) for base in node.bases):
            self.refuse(
                node, "class-base", "a class derives from Contract, Record, Refusal, or one of these, or nothing"
            )
        for keyword in node.keywords:
            if kind != "Record" or keyword.arg != "kw_only" or not isinstance(keyword.value, ast.Constant):
                self.refuse(node, "class-keyword", "a class takes no keywords, except kw_only=True on a record")
        if node.decorator_list:
            self.refuse(node, "decorator", "classes have no decorators")
        if sum(isinstance(part, ast.AnnAssign) for part in node.body) > FIELDS_LIMIT:
            self.refuse(node, "class-body", f"a record has at most {FIELDS_LIMIT} fields: group them in records")
        for part in node.body:
            self._member(part, kind)

    def _member(self, node: ast.stmt, kind: str) -> None:
        match node:
            case ast.FunctionDef():
                self.visit(node)
                if _marks_of(node, self._marks) and kind != "Contract":
                    self.refuse(node, "decorator", "transactions and queries are functions of a Contract")
            case ast.AnnAssign(target=ast.Name() as target, annotation=annotation, value=value):
                self._annotation(annotation)
                if kind == "Record" and any(isinstance(p, ast.Name) and p.id == "ClassVar" for p in walk(annotation)):
                    self.refuse(
                        node, "class-body", "a record holds fields only: name constants at the top of the module"
                    )
                self._field(node, target, value, kind)
            case ast.Assign(targets=targets, value=value):
                self._shared(node, targets, value)
                if kind == "Record":
                    self.refuse(node, "class-body", "the fields of a record have annotations")
            case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                pass
            case _:
                self.refuse(node, "class-body", "a class holds fields, constants and functions only")

    def _field(self, node: ast.stmt, target: ast.Name, value: ast.expr | None, kind: str) -> None:
        if target.id.startswith("_") and kind == "Record":
            self.refuse(node, "underscore", "the fields of a record are public: they are stored by their names")
        if kind == "Record" and isinstance(value, (ast.List, ast.Dict)):
            if not (value.elts if isinstance(value, ast.List) else value.keys):
                return  # every record gets a fresh one
            self.refuse(node, "mutable-default", "a field's default is a constant, or an empty [] or {}")
        else:
            self._shared(node, [target], value)

    # ------------------------------------------------------------ functions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._name(node, node.name)
        self._decorators(node)
        self._arguments(node.args)
        if node.returns is not None:
            self._annotation(node.returns)
        outer = self._in_comprehension, self._in_finally, self._in_protected, self._loops_in_finally
        self._in_comprehension = self._in_finally = self._in_protected = self._loops_in_finally = 0
        for statement in node.body:
            self.visit(statement)
        self._in_comprehension, self._in_finally, self._in_protected, self._loops_in_finally = outer

    def _decorators(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Name) and decorator.id in self._marks | language.DECORATORS:
                continue
            match decorator:
                case ast.Call(func=ast.Name(id=name), args=[], keywords=options) if name in self._marks:
                    if _are_constants(options):
                        continue
            self.refuse(
                decorator, "decorator", "decorators are transaction, query (with constants), staticmethod and property"
            )
        if not _marks_of(node, self._marks):
            return
        if len(node.decorator_list) > 1:
            self.refuse(node, "decorator", "a transaction or query has that one decorator")
        self._entry_function(node)

    def _entry_function(self, node: ast.FunctionDef) -> None:
        """What is called from outside says the type of everything it takes."""
        arguments = node.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
            self.refuse(node, "arguments", "a transaction or query takes plain arguments by name")
        if len(arguments.args) < 2:
            self.refuse(node, "arguments", "a transaction or query takes self and ctx first")
        for argument in arguments.args[2:]:
            if argument.annotation is None:
                self.refuse(argument, "arguments", f"{argument.arg} has no type: callers send values by these types")
            if argument.arg.startswith("_"):
                self.refuse(argument, "underscore", "the arguments of a transaction or query are public")
        if node.name.startswith("_"):
            self.refuse(node, "underscore", "a transaction or query is public: its name has no underscore first")
        if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in walk(node)):
            self.refuse(node, "generator", "a transaction or query returns its result: it does not yield")

    def _arguments(self, arguments: ast.arguments) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for argument in every:
            if argument is not None:
                self._name(argument, argument.arg)
                if argument.annotation is not None:
                    self._annotation(argument.annotation)
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is None:
                continue
            if not is_steady(default):
                self.refuse(default, "mutable-default", "a default is made once and shared: a constant, or None")
            self.visit(default)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._arguments(node.args)
        if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in walk(node.body)):
            self.refuse(node, "generator", "a lambda does not yield: write a function")
        self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.refuse(node, "class-body", "classes stand at the top of a module")


def _marks_of(node: ast.FunctionDef, marks: set[str]) -> list[str]:
    called = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
    return [item.id for item in called if isinstance(item, ast.Name) and item.id in marks]


def _are_constants(keywords: Sequence[ast.keyword]) -> bool:
    return all(item.arg in ("roles", "items") and _is_literal(item.value) for item in keywords)


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Tuple) and all(map(_is_literal, node.elts)))
