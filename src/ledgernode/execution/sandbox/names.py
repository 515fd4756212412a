"""What the modules of a package define, as far as their text shows it."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from ledgernode.execution.sandbox import source


class Names:
    """What the modules of a package define at their top, and which classes are refusals, records, contracts."""

    def __init__(self, trees: Mapping[str, ast.Module]) -> None:
        self._trees = trees
        self.top = {file: top_names(tree) for file, tree in trees.items()}
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


def top_names(tree: ast.Module) -> frozenset[str]:
    found: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return frozenset(found)
