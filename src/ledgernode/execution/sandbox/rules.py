# ruff: noqa: N802, N815 - methods of a syntax visitor are named after the nodes
"""The rules of the contract language, one module at a time.

A visitor walks every node of a module. What it does not know it refuses, so that syntax of a later Python
is not let in by being new. Each finding is (line, rule, reason); the reason says what to write instead.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Final

from ledgernode.execution.sandbox import language, source
from ledgernode.execution.sandbox.expressions import bound_names
from ledgernode.execution.sandbox.guards import FORMAT_SPEC
from ledgernode.execution.sandbox.meter import INTEGER_BITS

FIELDS_LIMIT: Final = 64
"""Of one record: making one is charged by the field, when the code is read."""

Found = tuple[int, str, str]

_MARKS: Final = frozenset({"query", "transaction"})
_CONSTANTS: Final = (int, str, bool, type(None), type(Ellipsis))
_UNORDERED: Final = "a set has no order that every node shares: use a dict or a sorted list"
_MODULE_WIDE: Final = "what a module or class names is shared by all calls, so it stays as it is"


class Names:
    """What the modules of a package define at their top, and which classes are refusals, records, contracts."""

    def __init__(self, trees: Mapping[str, ast.Module]) -> None:
        self._trees = trees
        self.top = {file: _top_names(tree) for file, tree in trees.items()}
        self._kinds: dict[tuple[str, str], str] = {}
        for _ in range(len(trees) * 8 + 8):
            before = len(self._kinds)
            for file, tree in trees.items():
                self._learn(file, tree)
            if len(self._kinds) == before:
                break

    def kind(self, file: str, name: str) -> str:
        """`Contract`, `Record` or `Refusal` for a class that derives from it, 'plain' for another class, else ''."""
        return self._kinds.get((file, name), "")

    def _learn(self, file: str, tree: ast.Module) -> None:
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                module = source.module_of(node)
                sibling = source.sibling_file(module)
                for alias in node.names:
                    name = alias.asname or alias.name
                    if module == source.API and alias.name in ("Contract", "Record", "Refusal"):
                        self._kinds[file, name] = alias.name
                    elif sibling is not None and (sibling, alias.name) in self._kinds:
                        self._kinds[file, name] = self._kinds[sibling, alias.name]
            elif isinstance(node, ast.ClassDef):
                kinds = {self.kind(file, name) for name in source.base_names(node)} - {"", "plain"}
                if kinds or not node.bases:
                    self._kinds[file, node.name] = min(kinds, default="plain")


class Rules(ast.NodeVisitor):
    """Walks one module and notes what breaks a rule."""

    def __init__(self, file: str, tree: ast.Module, names: Names) -> None:
        self._file = file
        self._tree = tree
        self._names = names
        self._found: list[Found] = []
        self._bound = bound_names(tree)
        self._typing: set[str] = set()
        self._marks: set[str] = set()
        self._in_comprehension = 0
        self._in_finally = 0
        self._in_protected = 0
        self._loops_in_finally = 0

    def findings(self) -> list[Found]:
        for node in self._tree.body:
            self._top(node)
        return self._found

    def refuse(self, node: ast.AST, rule: str, reason: str) -> None:
        self._found.append((getattr(node, "lineno", 1), rule, reason))

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _KNOWN):
            super().generic_visit(node)
        else:
            what = type(node).__name__
            rule, reason = _REFUSED_SYNTAX.get(type(node), ("syntax", f"{what} is not part of the contract language"))
            self.refuse(node, rule, reason)

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
                self.refuse(node, "module-value", f"{_MODULE_WIDE}: name one constant at a time")
            self.visit(target)
        if value is None:
            return
        for part in ast.walk(value):
            if isinstance(part, (ast.List, ast.ListComp)):
                self.refuse(part, "module-value", f"{_MODULE_WIDE}: write a tuple instead of a list")
            elif isinstance(part, ast.GeneratorExp) and part is value:
                self.refuse(part, "module-value", f"{_MODULE_WIDE}: a generator is used up by the first call")
            elif isinstance(part, ast.NamedExpr):
                self.refuse(part, "module-value", f"{_MODULE_WIDE}: name one constant at a time")
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
            if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name):
                if decorator.func.id in self._marks and not decorator.args and _are_constants(decorator.keywords):
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
        if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in ast.walk(node)):
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
            if not _is_steady(default):
                self.refuse(default, "mutable-default", "a default is made once and shared: a constant, or None")
            self.visit(default)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._arguments(node.args)
        if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in ast.walk(node.body)):
            self.refuse(node, "generator", "a lambda does not yield: write a function")
        self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.refuse(node, "class-body", "classes stand at the top of a module")

    # ------------------------------------------------------------ names and attributes

    def _name(self, node: ast.AST, name: str) -> None:
        """A name that the code binds or uses."""
        if name.startswith("__"):
            self.refuse(node, "dunder", f"{name}: names that begin with two underscores are the interpreter's")
        elif not name.isascii():
            self.refuse(node, "name", "names are written in ASCII, so that what looks the same is the same")

    def visit_Name(self, node: ast.Name) -> None:
        name = node.id
        self._name(node, name)
        if not isinstance(node.ctx, ast.Load) or name.startswith("__"):
            return
        if name in self._typing:
            self.refuse(node, "annotation", f"{name} is for annotations only")
        elif name in self._marks or (name in language.DECORATORS and name not in self._bound):
            self.refuse(node, "decorator", f"{name} is used as a decorator only")
        elif name not in self._bound and name not in language.BUILTINS:
            if name in language.HOST_NAMES:
                self.refuse(node, _rule_of(name), f"{name} is refused: {language.reason_against(name)}")
            else:
                self.refuse(node, "name", f"{name} is not defined in this module")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr.startswith("__"):
            self.refuse(node, "dunder", f"{node.attr} leads into the interpreter: it is not part of the language")
        elif node.attr in language.REFUSED_ATTRIBUTES:
            self.refuse(node, "attribute", f"{node.attr} is refused: it leads out of the contract, or grows unbounded")
        self.visit(node.value)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg is not None:
            self._name(node, node.arg)
        self.visit(node.value)

    def _annotation(self, node: ast.expr) -> None:
        """Types only: nothing that runs."""
        match node:
            case ast.Name(id=name):
                if name not in self._typing:
                    self.visit(node)
            case ast.Constant(value=str(text)):
                try:
                    self._annotation(ast.copy_location(source.parse_expression(self._file, text), node))
                except source.Unreadable:
                    self.refuse(node, "annotation", "this annotation is no type")
            case ast.Constant(value=value) if value is None or value is Ellipsis:
                pass
            case ast.Subscript(value=ast.Name(id=name), slice=inner) if name in self._typing and name == "Literal":
                if not _is_steady(inner):
                    self.refuse(node, "annotation", "Literal holds texts and integers")
            case ast.Subscript(value=outer, slice=inner):
                self._annotation(outer)
                self._annotation(inner)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                self._annotation(left)
                self._annotation(right)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self._annotation(part)
            case _:
                self.refuse(node, "annotation", "an annotation is a type: names, brackets and | only")

    # ------------------------------------------------------------ values

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, (float, complex)):
            self.refuse(node, "float", "numbers are integers: count in mWh, minor units or milliseconds")
        elif isinstance(value, bytes):
            self.refuse(node, "bytes", "there are no bytes: write them as hex text")
        elif type(value) is int and value.bit_length() > INTEGER_BITS:
            self.refuse(node, "integer", f"an integer has at most {INTEGER_BITS} bits")
        assert isinstance(value, (*_CONSTANTS, float, complex, bytes)), "Python has no other constants"

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div):
            self.refuse(node, "division", "/ makes a fraction: write // and say where the remainder goes")
        elif isinstance(node.op, ast.MatMult):
            self.refuse(node, "syntax", "@ is not part of the contract language")
        elif isinstance(node.op, ast.Mod) and isinstance(node.left, (ast.JoinedStr, ast.Constant)):
            if isinstance(node.left, ast.JoinedStr) or isinstance(node.left.value, str):
                self.refuse(node, "text-format", "% on text is refused: write an f-string")
        self.visit(node.left)
        self.visit(node.right)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Div):
            self.refuse(node, "division", "/ makes a fraction: write //= and say where the remainder goes")
        elif isinstance(node.op, ast.MatMult):
            self.refuse(node, "syntax", "@ is not part of the contract language")
        if isinstance(node.target, ast.Subscript) and isinstance(node.target.slice, ast.Slice):
            self.refuse(node, "slice", "a slice is assigned as a whole")
        self.visit(node.target)
        self.visit(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        for place, operator in enumerate(node.ops):
            if isinstance(operator, (ast.Is, ast.IsNot)) and not any(map(_is_single, sides[place : place + 2])):
                self.refuse(node, "identity", "is compares addresses: write ==, or compare with None, True or False")
            if isinstance(operator, (ast.In, ast.NotIn)) and len(node.ops) > 1:
                self.refuse(node, "comparison", "in stands alone: write (a in b) and …")
        super().generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self._formatted(part)

    def _formatted(self, node: ast.FormattedValue) -> None:
        if node.conversion not in (-1, ord("s")):
            self.refuse(node, "text-format", "!r and !a show the interpreter's text: name what is shown")
        if isinstance(node.format_spec, ast.JoinedStr):
            parts = [part.value for part in node.format_spec.values if isinstance(part, ast.Constant)]
            if len(parts) != len(node.format_spec.values) or not FORMAT_SPEC.fullmatch("".join(map(str, parts))):
                self.refuse(
                    node, "text-format", "after the colon: constants such as 08d, >20, x or , (a width below 1,000)"
                )
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        if isinstance(node.slice, ast.Tuple) and any(isinstance(part, ast.Slice) for part in node.slice.elts):
            self.refuse(node, "slice", "a slice stands alone in its brackets")
        self.visit(node.slice)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        if self._in_comprehension:
            self.refuse(node, "walrus", ":= within a comprehension binds a name outside it: write a loop")
        super().generic_visit(node)

    def _comprehension(self, node: ast.ListComp | ast.DictComp | ast.GeneratorExp) -> None:
        for part in node.generators:
            if part.is_async:
                self.refuse(node, "async", "nothing waits in a contract")
            self._target(part.target)
        self._in_comprehension += 1
        super().generic_visit(node)
        self._in_comprehension -= 1

    visit_ListComp = visit_DictComp = visit_GeneratorExp = _comprehension

    # ------------------------------------------------------------ statements

    def visit_For(self, node: ast.For) -> None:
        self._target(node.target)
        self._loop(node)

    def visit_While(self, node: ast.While) -> None:
        self._loop(node)

    def _loop(self, node: ast.For | ast.While) -> None:
        self._loops_in_finally += bool(self._in_finally)
        super().generic_visit(node)
        self._loops_in_finally -= bool(self._in_finally)

    def _target(self, target: ast.expr) -> None:
        if not all(isinstance(part, (ast.Name, ast.Tuple, ast.List, ast.expr_context)) for part in ast.walk(target)):
            self.refuse(target, "target", "a loop names what it takes: plain names, no parts and no *")

    def visit_Try(self, node: ast.Try) -> None:
        protected = bool(node.finalbody)
        self._in_protected += protected
        for part in (*node.body, *node.handlers, *node.orelse):
            self.visit(part)
        self._in_finally += 1
        for part in node.finalbody:
            self.visit(part)
        self._in_finally -= 1
        self._in_protected -= protected

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        for kind in kinds:
            if not isinstance(kind, ast.Name) or not self._is_catchable(kind.id):
                reason = "except names Refusals, KeyError, ValueError or IndexError: what is not expected ends the call"
                self.refuse(node, "except", reason)
        if node.name is not None:
            self._name(node, node.name)
        for statement in node.body:
            self.visit(statement)

    def _is_catchable(self, name: str) -> bool:
        if name in language.CATCHABLE:
            return name not in self._bound
        return self._names.kind(self._file, name) == "Refusal"

    def visit_Return(self, node: ast.Return) -> None:
        self._leaving(node, bool(self._in_finally))
        super().generic_visit(node)

    def visit_Break(self, node: ast.Break) -> None:
        self._leaving(node, bool(self._in_finally) and not self._loops_in_finally)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._leaving(node, bool(self._in_finally) and not self._loops_in_finally)

    def _leaving(self, node: ast.stmt, refused: bool) -> None:
        if refused:
            self.refuse(node, "finally", "leaving finally by return, break or continue would swallow a failure")

    def _yield(self, node: ast.Yield | ast.YieldFrom) -> None:
        if self._in_protected or self._in_finally:
            self.refuse(node, "finally", "yield within try … finally: when the end would run is not certain")
        super().generic_visit(node)

    visit_Yield = visit_YieldFrom = _yield

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if not isinstance(target, ast.Subscript):
                self.refuse(node, "delete", "del takes items of lists and maps; names and attributes stay")
            self.visit(target)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.refuse(node, "import", "imports stand at the top of a module")

    # ------------------------------------------------------------ patterns

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self.refuse(node, "pattern", "a starred part copies the rest each time: match by length or by index")

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest is not None:
            self.refuse(node, "pattern", "** copies the rest each time: name the keys")
        for at in node.keys:
            if not isinstance(at, ast.Constant):
                self.refuse(node, "pattern", "keys in a pattern are constants")
        super().generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name is not None:
            self._name(node, node.name)
        super().generic_visit(node)

    def visit_MatchValue(self, node: ast.MatchValue) -> None:
        match node.value:
            case ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                pass
            case ast.Attribute(value=ast.Name(id=name)) if self._names.kind(self._file, name):
                pass
            case _:
                self.refuse(node, "pattern", "a value in a pattern is a constant, or Class.NAME")
        self.visit(node.value)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        built_in = isinstance(node.cls, ast.Name) and node.cls.id in language.TYPE_NAMES
        if not built_in and not (isinstance(node.cls, ast.Name) and self._names.kind(self._file, node.cls.id)):
            self.refuse(
                node, "pattern", "a class in a pattern is int, str, bool, list, dict, tuple, or one of your own"
            )
        if built_in and (node.kwd_attrs or len(node.patterns) > 1):
            self.refuse(node, "pattern", "the attributes of built-in values are not matched")
        for name in node.kwd_attrs:
            if name.startswith("_") or name in language.REFUSED_ATTRIBUTES:
                self.refuse(node, "attribute", f"{name} is refused: it leads out of the contract")
        super().generic_visit(node)


def _rule_of(name: str) -> str:
    if name in ("float", "complex", "round"):
        return "float"
    if name in ("set", "frozenset"):
        return "set"
    return "bytes" if name in ("bytes", "bytearray", "memoryview") else "builtin"


def _top_names(tree: ast.Module) -> frozenset[str]:
    found: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return frozenset(found)


def _marks_of(node: ast.FunctionDef, marks: set[str]) -> list[str]:
    called = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
    return [item.id for item in called if isinstance(item, ast.Name) and item.id in marks]


def _are_constants(keywords: Sequence[ast.keyword]) -> bool:
    return all(item.arg in ("roles", "items") and _is_literal(item.value) for item in keywords)


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Tuple) and all(map(_is_literal, node.elts)))


def _is_steady(node: ast.expr) -> bool:
    """Whether an expression is a constant, a name, or a tuple or sum of such: nothing that is made mutable."""
    match node:
        case ast.Constant() | ast.Name() | ast.Lambda():
            return True
        case ast.Attribute(value=inner) | ast.UnaryOp(operand=inner):
            return _is_steady(inner)
        case ast.Tuple(elts=parts):
            return all(map(_is_steady, parts))
        case ast.BinOp(left=left, right=right):
            return _is_steady(left) and _is_steady(right)
    return False


def _is_single(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


_REFUSED_SYNTAX: Final[dict[type[ast.AST], tuple[str, str]]] = {
    ast.Set: ("set", _UNORDERED),
    ast.SetComp: ("set", _UNORDERED),
    ast.Global: ("global", f"{_MODULE_WIDE}: keep state in ctx"),
    ast.Nonlocal: ("global", "a function changes its own names only: return the value"),
    ast.With: ("with", "there is nothing to open or close in a contract"),
    ast.AsyncWith: ("async", "nothing waits in a contract"),
    ast.AsyncFor: ("async", "nothing waits in a contract"),
    ast.AsyncFunctionDef: ("async", "nothing waits in a contract"),
    ast.Await: ("async", "nothing waits in a contract"),
    ast.TryStar: ("except", "except* is not part of the contract language"),
    ast.Import: ("import", "imports stand at the top of a module"),
}

_KNOWN: Final = (
    ast.arguments, ast.arg, ast.alias, ast.comprehension, ast.expr_context, ast.boolop, ast.operator, ast.unaryop,
    ast.cmpop, ast.match_case, ast.Return, ast.Assign, ast.AnnAssign, ast.If, ast.Match, ast.Raise, ast.Assert,
    ast.Expr, ast.Pass, ast.For, ast.While, ast.BoolOp, ast.NamedExpr, ast.UnaryOp, ast.IfExp, ast.Dict, ast.ListComp,
    ast.DictComp, ast.GeneratorExp, ast.Yield, ast.YieldFrom, ast.Compare, ast.Call, ast.Starred, ast.List, ast.Tuple,
    ast.Slice, ast.MatchSingleton, ast.MatchSequence, ast.MatchMapping, ast.MatchClass, ast.MatchAs, ast.MatchOr,
)  # fmt: skip
"""Syntax that is walked into; what is neither here nor visited by name is refused."""
