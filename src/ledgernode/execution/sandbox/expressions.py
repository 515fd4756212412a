"""The expressions half of the rewriting: operators, comparisons, subscripts, calls, comprehensions, texts."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Final

from ledgernode.execution.sandbox.guards import hidden, method_name
from ledgernode.execution.sandbox.language import BUILTINS, GUARDED, TYPE_NAMES
from ledgernode.execution.sandbox.operators import WORD
from ledgernode.execution.sandbox.source import walk
from ledgernode.execution.sandbox.weights import Weights

_BINARY: Final = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mult",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.BitAnd: "bitand",
    ast.BitOr: "bitor",
    ast.BitXor: "bitxor",
}
_UNARY: Final = {ast.USub: "usub", ast.UAdd: "uadd", ast.Invert: "invert"}
_ORDERING: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_GIVES_INTEGER: Final = (ast.Sub, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift)
_SMALL_STEP: Final = 1 << 31
_RESULT: Final = hidden("result")
_RUNS_OTHERS: Final = (ast.Call, ast.GeneratorExp, ast.Lambda)
"""What a lambda without it cannot do: run other code of the contract, and so be deep."""

_BINDING: Final[dict[type[ast.AST], str]] = {
    ast.arg: "arg",
    ast.FunctionDef: "name",
    ast.ClassDef: "name",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
}
"""What binds a name, besides names and imports, and where it says it."""

_CONSUMERS: Final = frozenset({"all", "any", "dict", "list", "max", "min", "sorted", "sum", "tuple"})
"""Built-in functions that use a generator expression up before they return, so that none can be kept."""


class Expressions(ast.NodeTransformer):
    """Rewrites the expressions of one module. `weights` prices what it charges for."""

    def __init__(self, nodes: Iterable[ast.AST], weights: Weights) -> None:
        self.weights = weights
        self.records: set[str] = set()
        self._rebound = bound_names(nodes) & BUILTINS
        self.binds_here = False

    def is_builtin(self, node: ast.expr, *names: str) -> bool:
        """Whether a name certainly means the built-in function of that name."""
        return isinstance(node, ast.Name) and node.id in names and node.id not in self._rebound

    def real_type(self, node: ast.Name) -> ast.Name:
        if self.is_builtin(node, *TYPE_NAMES):
            return ast.Name(id=hidden(f"real_{node.id}"), ctx=ast.Load())
        return node

    # ------------------------------------------------------------ operators

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        return self.operation(node.op, node.left, node.right, self.guard_name(node.op))

    def operation(self, operator: ast.operator, left: ast.expr, right: ast.expr, guard: str) -> ast.expr:
        """`left + right`: in place where both sides are small and turn out to be integers, else a metered call."""
        if isinstance(left, ast.Name) and self.is_small_step(operator, right):
            return self.stepped(operator, left, right, guard)
        steps = self.binds_here and isinstance(operator, (ast.Add, ast.Sub))
        if steps and isinstance(left, ast.Name) and isinstance(right, ast.Name):
            return self._bounded(operator, left, right, guard)
        return called(guard, self.visit(left), self.visit(right))

    def _bounded(self, operator: ast.operator, left: ast.Name, right: ast.Name, guard: str) -> ast.expr:
        """An integer plus or minus another, kept in place while the result is no longer than a word."""
        result = ast.NamedExpr(
            target=ast.Name(id=_RESULT, ctx=ast.Store()),
            value=ast.BinOp(left=_again(left), op=operator, right=_again(right)),
        )
        within = ast.Compare(
            left=ast.Constant(-WORD), ops=[ast.Lt(), ast.Lt()], comparators=[result, ast.Constant(WORD)]
        )
        return ast.IfExp(
            test=ast.BoolOp(op=ast.And(), values=[_is_of(left, "int"), within]),
            body=ast.Name(id=_RESULT, ctx=ast.Load()),
            orelse=called(guard, _again(left), _again(right)),
        )

    def guard_name(self, operator: ast.operator) -> str:
        return _BINARY[type(operator)]

    def is_small_step(self, operator: ast.operator, right: ast.expr) -> bool:
        """Whether the operator with this right side can hardly change the size of an integer."""
        if not isinstance(right, ast.Constant) or type(right.value) is not int or right.value >= _SMALL_STEP:
            return False
        return isinstance(operator, (ast.Add, ast.Sub)) or (
            isinstance(operator, (ast.FloorDiv, ast.Mod)) and right.value > 0
        )

    def stepped(self, operator: ast.operator, left: ast.Name, right: ast.expr, otherwise: str) -> ast.expr:
        """`left + 1`, in place where it is an integer."""
        return ast.IfExp(
            test=_is_of(left, "int"),
            body=ast.BinOp(left=_again(left), op=operator, right=right),
            orelse=called(otherwise, _again(left), right),
        )

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not) or isinstance(node.operand, ast.Constant):
            node.operand = self.visit(node.operand)
            return node
        return called(_UNARY[type(node.op)], self.visit(node.operand))

    # ------------------------------------------------------------ comparisons

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        operands = [node.left, *node.comparators]
        cheap = [self._is_cheap(operand) for operand in operands]
        small = [isinstance(operand, ast.Name) for operand in operands]
        made = [self.visit(operand) for operand in operands]
        if isinstance(node.ops[0], (ast.In, ast.NotIn)):
            if isinstance(operands[1], ast.Tuple) and cheap[1]:
                return ast.Compare(left=made[0], ops=node.ops, comparators=made[1:])
            return called("in" if isinstance(node.ops[0], ast.In) else "notin", *made)
        for place, operator in enumerate(node.ops):
            if not isinstance(operator, _ORDERING) or cheap[place] or cheap[place + 1]:
                continue
            chosen = place if small[place] and not small[place + 1] and place == 0 else place + 1
            made[chosen] = self._weighed(made[chosen], small[chosen])
            cheap[chosen] = True
        return ast.Compare(left=made[0], ops=node.ops, comparators=made[1:])

    def _is_cheap(self, node: ast.expr) -> bool:
        """Whether comparing with this is cheap whatever stands on the other side."""
        match node:
            case ast.Constant():
                return True
            case ast.UnaryOp(operand=ast.Constant()):
                return True
            case ast.Tuple(elts=parts):
                return all(isinstance(part, ast.Constant) for part in parts)
            case ast.List(elts=[]) | ast.Dict(keys=[]):
                return True
            case ast.Call(func=function):
                return self.is_builtin(function, "len", "sum", "ord")
            case ast.BinOp(op=operator):
                return isinstance(operator, _GIVES_INTEGER)
        return False

    def _weighed(self, node: ast.expr, small: bool) -> ast.expr:
        if small and isinstance(node, ast.Name):
            return ast.IfExp(test=_is_of(node, "int"), body=_again(node), orelse=called("comparable", _again(node)))
        return called("comparable", node)

    # ------------------------------------------------------------ parts and attributes

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.slice, ast.Slice):
            return called("slice", self.visit(node.value), *self.bounds(node.slice))
        node.value = self.visit(node.value)
        node.slice = self.index(node.slice)
        return node

    def bounds(self, part: ast.Slice) -> list[ast.expr]:
        return [self.visit(bound) if bound else ast.Constant(None) for bound in (part.lower, part.upper, part.step)]

    def index(self, node: ast.expr) -> ast.expr:
        """A key or index, looked at before it is hashed."""
        match node:
            case ast.Constant() | ast.UnaryOp(operand=ast.Constant()):
                return node
            case ast.Name():
                return ast.IfExp(test=_is_of(node, "str"), body=_again(node), orelse=called("key", _again(node)))
        return called("key", self.visit(node))

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        node.value = self.visit(node.value)
        if node.attr in GUARDED or node.attr.startswith("_"):
            return called("attribute", node.value, ast.Constant(node.attr))
        return node

    # ------------------------------------------------------------ calls

    def visit_Call(self, node: ast.Call) -> ast.expr:
        arguments = self._arguments(node)
        keywords = [
            ast.keyword(
                arg=item.arg, value=self.visit(item.value) if item.arg else called("named", self.visit(item.value))
            )
            for item in node.keywords
        ]
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr == "append" and isinstance(function.value, ast.Name):
            return ast.Call(func=self._append(function), args=arguments, keywords=keywords)
        if isinstance(function, ast.Attribute) and function.attr in GUARDED:
            receiver = self.visit(function.value)
            guard = ast.Name(id=method_name(function.attr), ctx=ast.Load())
            return ast.Call(func=guard, args=[receiver, *arguments], keywords=keywords)
        if isinstance(function, ast.Name) and self.is_builtin(function, *TYPE_NAMES):
            function = ast.Name(id=hidden(f"make_{function.id}"), ctx=ast.Load())
        elif (
            _are_two(arguments)
            and not keywords
            and self.is_builtin(function, "min", "max")
            and isinstance(function, ast.Name)
        ):
            function = ast.Name(id=hidden(f"{function.id}_of_two"), ctx=ast.Load())
        else:
            function = self.visit(function)
        return ast.Call(func=function, args=arguments, keywords=keywords)

    def _append(self, method: ast.Attribute) -> ast.expr:
        """The method called most: taken from the list itself, where it is one."""
        assert isinstance(method.value, ast.Name), "it is evaluated twice"
        return ast.IfExp(
            test=_is_of(method.value, "list"),
            body=ast.Attribute(value=_again(method.value), attr="append", ctx=ast.Load()),
            orelse=called("attribute", _again(method.value), ast.Constant("append")),
        )

    def _arguments(self, node: ast.Call) -> list[ast.expr]:
        if (
            len(node.args) == 1
            and isinstance(node.args[0], ast.GeneratorExp)
            and self.is_builtin(node.func, *_CONSUMERS)
        ):
            return [self._generator(node.args[0])]
        return [self.visit(argument) for argument in node.args]

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        if isinstance(node.ctx, ast.Load):
            node.value = called("spread", self.visit(node.value))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        outer, self.binds_here = self.binds_here, False
        units = 2 + self.weights.units(node.body)
        runs_others = any(isinstance(part, _RUNS_OTHERS) for part in walk(node.body))
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        node.args.kw_defaults = [self.visit(default) if default else None for default in node.args.kw_defaults]
        node.body = self.visit(node.body)
        self.binds_here = outer
        if runs_others:
            return called("lambda", node, ast.Constant(units))
        node.body = ast.IfExp(test=called("pay", ast.Constant(units)), body=node.body, orelse=ast.Constant(None))
        return node

    # ------------------------------------------------------------ comprehensions and displays

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        outer, self.binds_here = self.binds_here, False
        self._price(node.generators, node.elt, "each")
        node.elt = self.visit(node.elt)
        self.binds_here = outer
        return node

    def visit_DictComp(self, node: ast.DictComp) -> ast.expr:
        outer, self.binds_here = self.binds_here, False
        self._price(node.generators, ast.Tuple(elts=[node.key, node.value], ctx=ast.Load()), "each")
        node.key = self.index(node.key)
        node.value = self.visit(node.value)
        self.binds_here = outer
        return node

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.expr:
        return called("stream", self._generator(node))

    def _generator(self, node: ast.GeneratorExp) -> ast.GeneratorExp:
        outer, self.binds_here = self.binds_here, False
        self._price(node.generators, node.elt, "steps")
        node.elt = self.visit(node.elt)
        self.binds_here = outer
        return node

    def _price(self, generators: Sequence[ast.comprehension], element: ast.expr, guard: str) -> None:
        """Have every source charged, element by element, for what runs once for each of its items."""
        for place, part in enumerate(generators):
            inner = [generators[place + 1].iter] if place + 1 < len(generators) else [element]
            units = 1 + self.weights.units(part.target, *part.ifs, *inner)
            part.iter = called(guard, self.visit(part.iter), ast.Constant(units))
            part.ifs = [self.visit(condition) for condition in part.ifs]

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        values = [
            self.visit(value) if at else called("named", self.visit(value))
            for at, value in zip(node.keys, node.values, strict=True)
        ]
        node.keys = [self.index(at) if at else None for at in node.keys]
        node.values = values
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        spec = ""
        if isinstance(node.format_spec, ast.JoinedStr):
            spec = "".join(str(part.value) for part in node.format_spec.values if isinstance(part, ast.Constant))
        arguments = [self.visit(node.value), *([ast.Constant(spec)] if spec else [])]
        return ast.FormattedValue(value=called("show", *arguments), conversion=-1, format_spec=None)


def called(guard: str, *arguments: ast.expr) -> ast.Call:
    """A call of one of the metered functions."""
    return ast.Call(func=ast.Name(id=hidden(guard), ctx=ast.Load()), args=list(arguments), keywords=[])


def bound_names(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Every name that is bound anywhere among these nodes, in any scope."""
    found: set[str] = set()
    for node in nodes:
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is not ast.Load:  # type: ignore[attr-defined]
                found.add(node.id)  # type: ignore[attr-defined]
        elif kind is ast.alias:
            found.add(node.asname or node.name)  # type: ignore[attr-defined]
        elif kind in _BINDING:
            found.add(getattr(node, _BINDING[kind]))
    found.discard(None)  # of a handler or a pattern without a name
    return frozenset(found)


def _are_two(arguments: Sequence[ast.expr]) -> bool:
    return len(arguments) == 2 and not any(isinstance(argument, ast.Starred) for argument in arguments)


def _is_of(node: ast.Name, kind: str) -> ast.expr:
    """`type(node) is kind`"""
    return ast.Compare(
        left=called("type", _again(node)), ops=[ast.Is()], comparators=[ast.Name(hidden(kind), ast.Load())]
    )


def _again(node: ast.Name) -> ast.Name:
    return ast.Name(id=node.id, ctx=ast.Load())
