"""What straight-line code costs, read from the syntax tree: the static half of the price list.

A suite of statements is charged once, where it is entered, for everything in it that runs without a loop
or a call of its own: loop bodies, functions, lambdas and comprehension elements are charged by themselves.
Counted in quarters of a unit and rounded up, so that a suite never costs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from ledgernode.execution.sandbox.source import children, walk

QUARTERS: Final = 4

_LIGHT: Final = 1
_OPERATOR: Final = 4
_CALL: Final = 8
_CLOSURE: Final = 16
_BRANCH_WORTH_CHARGING: Final = 3

_HEAVY: Final[dict[type[ast.AST], int]] = {
    ast.BinOp: _OPERATOR,
    ast.UnaryOp: 2,
    ast.Compare: 3,
    ast.Subscript: 3,
    ast.JoinedStr: _OPERATOR,
    ast.FormattedValue: _OPERATOR,
    ast.List: 5,
    ast.Tuple: 4,
    ast.Dict: 10,
    ast.ListComp: _CALL,
    ast.DictComp: 12,
    ast.GeneratorExp: 40,
    ast.Lambda: _CLOSURE,
    ast.Starred: _CALL,
    ast.Assign: 1,
    ast.AugAssign: 6,
    ast.For: 4,
    ast.While: 2,
    ast.Try: 4,
    ast.Raise: 12,
    ast.FunctionDef: _CLOSURE,
    ast.ExceptHandler: 4,
    ast.MatchClass: 6,
    ast.MatchMapping: 6,
    ast.MatchSequence: 4,
}
_FREE: Final = (ast.Expr, ast.arguments, ast.arg)


class Weights:
    """Weighs code of one file, given what its names are known to make.

    `nodes` are all of its tree. `classes` maps the names of the package's classes to the quarters an instance costs,
    `imported` names its functions that the file imports; a call of a name that is neither a known function nor a
    known class may make any of them, and pays for the largest, which is `largest` where that is more. So does a name
    that the file also uses for something else.
    """

    def __init__(
        self,
        classes: Mapping[str, int],
        tree: ast.Module,
        nodes: Sequence[ast.AST],
        imported: Iterable[str] = (),
        *,
        largest: int = 0,
    ) -> None:
        own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        variables = {node.id for node in nodes if isinstance(node, ast.Name) and _is_stored(node)}
        variables |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        self._classes = {name: quarters for name, quarters in classes.items() if name not in variables}
        self.functions: Final = frozenset(own - variables)
        self._functions = (own | set(imported)) - variables
        self._largest = max(largest, *classes.values()) if classes else largest
        self._weighed: dict[ast.AST, int] = {}  # or a branch in branches would be weighed once for each of them, twice

    def units(self, *nodes: ast.AST) -> int:
        """At least one."""
        return max(1, -(-sum(self._quarters(node) for node in nodes) // QUARTERS))

    def charges_itself(self, branch: list[ast.stmt]) -> bool:
        """Whether a branch is worth a charge of its own, paid only when it is taken."""
        return sum(map(self._quarters, branch)) > _BRANCH_WORTH_CHARGING * QUARTERS

    def _quarters(self, root: ast.AST) -> int:
        found = self._weighed.get(root)
        if found is None:
            if isinstance(root, _FREE):
                found = sum(map(self._quarters, children(root)))
            else:
                found = self._own(root) + sum(map(self._quarters, self._parts(root)))
            self._weighed[root] = found
        return found

    def _own(self, node: ast.AST) -> int:
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                if node.func.id in self._functions:
                    return _CALL
                return _CALL + self._classes.get(node.func.id, self._largest)
            return _CALL + self._largest
        if isinstance(node, (ast.Lambda, ast.FunctionDef, ast.GeneratorExp)):
            # what is made here holds on to names of the code around it, each of them at the price of a name
            return _HEAVY[type(node)] + sum(isinstance(part, ast.Name) for part in walk(node))
        return _HEAVY.get(type(node), _LIGHT)

    def _parts(self, node: ast.AST) -> list[ast.AST]:
        """The children that run together with the node itself."""
        if isinstance(node, ast.FunctionDef):
            return [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
        if isinstance(node, ast.Lambda):
            return list(node.args.defaults)
        if isinstance(node, ast.For):
            return [node.target, node.iter, *self._taken_with(node.orelse)]
        if isinstance(node, ast.While):
            return [node.test, *self._taken_with(node.orelse)]
        if isinstance(node, ast.If):
            return [node.test, *self._taken_with(node.body), *self._taken_with(node.orelse)]
        if isinstance(node, (ast.ListComp, ast.DictComp, ast.GeneratorExp)):
            return [node.generators[0].iter]
        if isinstance(node, ast.ClassDef):
            return [part for part in node.body if not isinstance(part, ast.FunctionDef)]
        return children(node)

    def _taken_with(self, branch: list[ast.stmt]) -> list[ast.stmt]:
        return [] if self.charges_itself(branch) else branch


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def class_weights(classes: Iterable[ast.ClassDef], is_mutable: Callable[[ast.expr], bool]) -> dict[str, int]:
    """Quarters of a unit an instance costs: its fields, and the lists and maps it makes by default."""
    found: dict[str, int] = {}
    for node in classes:
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        made = sum(QUARTERS for part in fields if part.value is not None and is_mutable(part.value))
        inherited = max((found.get(base.id, 0) for base in node.bases if isinstance(base, ast.Name)), default=0)
        found[node.name] = 2 + len(fields) // 2 + made + inherited
    return found
