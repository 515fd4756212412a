# ruff: noqa: N815 - methods of a syntax visitor are named after the nodes
"""The rules within functions: names, attributes, values, operators, statements.

A visitor walks every node. What it does not know it refuses, so that syntax of a later Python is not let in
by being new.
"""

from __future__ import annotations

import ast
from collections.abc import Set
from typing import Final

from ledgernode.execution.sandbox import language, source
from ledgernode.execution.sandbox.guards import FORMAT_SPEC
from ledgernode.execution.sandbox.meter import INTEGER_BITS
from ledgernode.execution.sandbox.names import Names
from ledgernode.execution.sandbox.source import walk

Found = tuple[int, str, str]

MODULE_WIDE: Final = "what a module or class names is shared by all calls, so it stays as it is"

_CONSTANTS: Final = (int, str, bool, type(None), type(Ellipsis))
_UNORDERED: Final = "a set has no order that every node shares: use a dict or a sorted list"


class CodeRules(ast.NodeVisitor):
    """Walks code of one module and notes what breaks a rule."""

    def __init__(self, file: str, tree: ast.Module, names: Names, bound: Set[str]) -> None:
        self._file = file
        self._tree = tree
        self._names = names
        self._found: list[Found] = []
        self._bound = bound
        self._typing: set[str] = set()
        self._marks: set[str] = set()
        self._in_comprehension = 0
        self._in_finally = 0
        self._in_protected = 0
        self._loops_in_finally = 0

    def refuse(self, node: ast.AST, rule: str, reason: str) -> None:
        self._found.append((getattr(node, "lineno", 1), rule, reason))

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _KNOWN):
            super().generic_visit(node)
        else:
            what = type(node).__name__
            rule, reason = _REFUSED_SYNTAX.get(type(node), ("syntax", f"{what} is not part of the contract language"))
            self.refuse(node, rule, reason)

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
                if not is_steady(inner):
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
        elif isinstance(node.op, ast.Mod) and _is_text(node.left):
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
        if not all(isinstance(part, (ast.Name, ast.Tuple, ast.List)) for part in walk(target)):
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


def _rule_of(name: str) -> str:
    if name in ("float", "complex", "round"):
        return "float"
    if name in ("set", "frozenset"):
        return "set"
    return "bytes" if name in ("bytes", "bytearray", "memoryview") else "builtin"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def is_steady(node: ast.expr) -> bool:
    """Whether an expression is a constant, a name, a tuple of such, or a sum of two constants."""
    match node:
        case ast.Constant() | ast.Name() | ast.Lambda():
            return True
        case ast.Attribute(value=inner) | ast.UnaryOp(operand=inner):
            return is_steady(inner)
        case ast.Tuple(elts=parts):
            return all(map(is_steady, parts))
        case ast.BinOp(left=ast.Constant(), right=ast.Constant()):
            return True
    return False


def _is_single(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


_REFUSED_SYNTAX: Final[dict[type[ast.AST], tuple[str, str]]] = {
    ast.Set: ("set", _UNORDERED),
    ast.SetComp: ("set", _UNORDERED),
    ast.Global: ("global", f"{MODULE_WIDE}: keep state in ctx"),
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
