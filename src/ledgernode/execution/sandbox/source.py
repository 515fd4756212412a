"""Reading a contract's source as a syntax tree, without running any of it.

A tree deeper than `TREE_DEPTH` is refused before anything walks it, so that no node's own stack decides
what is accepted.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any, Final

import msgspec

from ledgernode.errors import ChaincodeRefused

TREE_DEPTH: Final = 80
_TOO_DEEP: Final = f"the source is nested deeper than {TREE_DEPTH} levels: give the parts names"
"""The same words whoever finds it, the interpreter's parser or the count: how deep the parser goes differs."""

API: Final = "chaincode.api"
TYPING_MODULES: Final = ("typing", "collections.abc")
RESERVED_FILES: Final = frozenset({"api.py", "typing.py", "collections.py"})
"""Names that mean the host's modules in an import, so no file of a package may have them."""


class Declared(msgspec.Struct, frozen=True):
    """What the one contract class of an entry file says of itself."""

    name: str
    version: str
    class_name: str
    line: int


class Unreadable(ChaincodeRefused):
    """The file is not Python of this version, or is nested too deep; its facts are file, line and reason."""


def parse(file: str, text: str) -> ast.Module:
    """The syntax tree of a source. Refuses (Unreadable) what is not Python, or is nested too deep."""
    return parts(file, text)[0]


def parts(file: str, text: str) -> tuple[ast.Module, list[ast.AST]]:
    """The same, and every node of it as `walk` finds them: whoever needs both walks once."""
    tree = read(file, text)
    found: list[ast.AST] = []
    level: list[ast.AST] = [tree]
    for _ in range(TREE_DEPTH):
        found += level
        level = _below(level)
        if not level:
            return tree, found
    raise unreadable(file, 1, _TOO_DEEP)


def read(file: str, text: str) -> ast.Module:
    """The same of a text that was parsed before: how deep it is needs no second look."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, filename=file, feature_version=(3, 11))
    except SyntaxError as error:
        raise unreadable(file, error.lineno or 1, "this is not Python 3.11") from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise unreadable(file, 1, _TOO_DEEP) from error
    return tree


def parse_expression(file: str, text: str) -> ast.expr:
    """The tree of an annotation that is written as text."""
    tree = parse(file, f"({text}\n)")
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        raise unreadable(file, 1, "this annotation is no type")
    return tree.body[0].value


def compile_tree(file: str, tree: ast.Module) -> CodeType:
    """Code that does not depend on the flags the host's interpreter was started with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(tree, file, "exec", dont_inherit=True, optimize=0)


def unreadable(file: str, line: int, reason: str) -> Unreadable:
    return Unreadable(f"{file}:{line}: {reason}", file=file, line=line, reason=reason)


def imports(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    """The `from … import …` statements at the top of a module."""
    return (node for node in tree.body if isinstance(node, ast.ImportFrom))


def imported_modules(tree: ast.Module) -> list[str]:
    return [module_of(node) for node in imports(tree)]


def module_of(node: ast.ImportFrom) -> str:
    """The module's name; `from .units import …` is `units`, a longer way up is none of ours."""
    return "" if node.level > 1 else node.module or ""


def sibling_file(module: str) -> str | None:
    """The file beside the contract that a module name means: `units` and `chaincode.units` are units.py."""
    if module in ("", "__future__", API, *TYPING_MODULES):
        return None
    parts = module.split(".")
    return f"{parts[-1]}.py" if len(parts) <= 2 else None


def declared_contract(tree: ast.Module) -> Declared:
    """Name and version of the entry file's contract. Refuses (ChaincodeRefused) none, two, or one without them."""
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and "Contract" in base_names(node)]
    if len(found) != 1:
        raise ChaincodeRefused(f"the contract's file holds one class that derives from Contract, not {len(found)}")
    texts = dict(_constant_texts(found[0]))
    if not texts.get("name") or not texts.get("version"):
        raise ChaincodeRefused('the contract says who it is: name = "…" and version = "…", as plain texts')
    return Declared(texts["name"], texts["version"], found[0].name, found[0].lineno)


def base_names(node: ast.ClassDef) -> list[str]:
    return [base.id for base in node.bases if isinstance(base, ast.Name)]


def _constant_texts(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement in node.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text)))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text)))
            ):
                yield name, text


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one, in order of the text; contexts and signs of operators are no nodes of their own."""
    return _below((node,))


def walk(root: ast.AST) -> list[ast.AST]:
    """A node and all below it, level by level: `ast.walk` in a fraction of its time."""
    found: list[ast.AST] = []
    level = [root]
    while level:
        found += level
        level = _below(level)
    return found


def _below(level: Iterable[ast.AST]) -> list[ast.AST]:
    found: list[ast.AST] = []
    for node in level:
        for field, are_many in _FIELDS[type(node)]:
            value: Any = getattr(node, field, None)
            if are_many:
                found += filter(None, value)  # a map that is spread into another has no key
            elif value is not None:
                found.append(value)
    return found


def placed(tree: ast.Module) -> ast.Module:
    """`ast.fix_missing_locations` in half of its time: what was made stands where its parent stands."""
    waiting: list[tuple[ast.AST, tuple[int, int, int, int]]] = [(tree, (1, 0, 1, 0))]
    for node, place in waiting:  # grows as it goes
        here = _placed(node, place) if _HAS_PLACE[type(node)] else place
        waiting += [(child, here) for child in children(node)]
    return tree


def _placed(node: ast.AST, parents: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    have = node.__dict__
    line, column = have.setdefault("lineno", parents[0]), have.setdefault("col_offset", parents[1])
    if have.get("end_lineno") is None:
        have["end_lineno"] = parents[2]
    if have.get("end_col_offset") is None:
        have["end_col_offset"] = parents[3]
    return line, column, have["end_lineno"], have["end_col_offset"]


def _kinds(kind: type[ast.AST]) -> Iterator[type[ast.AST]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


_NODES: Final = frozenset(
    {"alias", "arg", "arguments", "comprehension", "excepthandler", "expr", "keyword", "match_case", "pattern", "stmt"}
    | {"withitem"}
)
_FIELD: Final = re.compile(r"(?P<kind>\w+)(?P<many>[*?]?) (?P<name>\w+)")


def _fields(kind: type[ast.AST]) -> tuple[tuple[str, bool], ...]:
    """Which fields of a node are nodes, and whether they are lists of them: the grammar says so of every kind."""
    found = (_FIELD.fullmatch(part) for part in (kind.__doc__ or "").removesuffix(")").partition("(")[2].split(", "))
    return tuple((one["name"], one["many"] == "*") for one in found if one is not None and one["kind"] in _NODES)


_FIELDS: Final = {kind: _fields(kind) for kind in _kinds(ast.AST)}
_HAS_PLACE: Final = {kind: "lineno" in getattr(kind, "_attributes", ()) for kind in _FIELDS}
assert _FIELDS[ast.Module] == (("body", True),), "the interpreter tells its grammar"
