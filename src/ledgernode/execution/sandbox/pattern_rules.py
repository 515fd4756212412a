# ruff: noqa: N802 - methods of a syntax visitor are named after the nodes
"""The rules of patterns: what `match` may take apart without copying it or running code."""

from __future__ import annotations

import ast

from ledgernode.execution.sandbox import language
from ledgernode.execution.sandbox.code_rules import CodeRules


class PatternRules(CodeRules):
    """Walks the patterns of `match` statements."""

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self.refuse(node, "pattern", "a starred part copies the rest each time: match by length or by index")

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest is not None:
            self.refuse(node, "pattern", "** copies the rest each time: name the keys")
        for at in node.keys:
            if not isinstance(at, ast.Constant):
                self.refuse(node, "pattern", "keys in a pattern are constants")
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name is not None:
            self._name(node, node.name)
        self.generic_visit(node)

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
        self.generic_visit(node)
