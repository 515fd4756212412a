"""Types as a contract may name them: `int`, `list[Order]`, `Order | None`.

A contract never holds a built-in type itself, since calling one is work that must be metered. It holds a
form of it: good for annotations, for `isinstance` and for `ctx.get(key, list[Order])`, where the host
takes the real type out again.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Final, Literal, Union

from chaincode.api import Record
from ledgernode.errors import ChaincodeRefused
from ledgernode.execution.sandbox.source import parse_expression

_SUBSCRIPTABLE: Final = (list, dict, tuple)


class TypeForm:
    """Stands for a type; cannot be called."""

    __slots__ = ("_real",)

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getitem__(self, parts: Any) -> TypeForm:
        if self._real not in _SUBSCRIPTABLE:
            raise TypeError("only list, dict and tuple take types in brackets")
        inner = parts if type(parts) is tuple else (parts,)
        return TypeForm(self._real[tuple(_real_part(part) for part in inner)])

    def either(self, other: Any) -> TypeForm:
        return TypeForm(Union[self._real, real_type(other)])  # noqa: UP007 - the parts are values, not names


class MeteredType(TypeForm):
    """Stands for a built-in type; calling it runs the metered function in its place."""

    __slots__ = ("_make",)

    def __init__(self, real: type, make: Callable[..., Any]) -> None:
        super().__init__(real)
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._make(*args, **kwargs)


def real_type(form: Any) -> Any:
    """The type a form stands for; anything else is given back as it is."""
    return form._real if isinstance(form, TypeForm) else form  # noqa: SLF001 - the slot is private to contracts


def _real_part(part: Any) -> Any:
    real = real_type(part)
    if real is None or real is Ellipsis or isinstance(real, type) or isinstance(part, TypeForm):
        return real
    raise TypeError("a type in brackets is int, str, bool, None, list, dict, tuple or a record")


class Annotations:
    """Reads the annotations of one module as types that arguments and fields are decoded by."""

    def __init__(self, file: str, names: Mapping[str, Any], typing_names: Mapping[str, str]) -> None:
        self._file = file
        self._names = names
        self._typing = typing_names

    def resolve(self, node: ast.expr | None) -> Any:
        """The type an annotation says. Refuses (ChaincodeRefused) what no JSON value can be decoded to."""
        match node:
            case None | ast.Constant(value=None):
                return None
            case ast.Constant(value=str(text)):
                return self.resolve(parse_expression(self._file, text))
            case ast.Name(id=name):
                return self._named(node, name)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return Union[self.resolve(left), self.resolve(right)]  # noqa: UP007 - as above
            case ast.Subscript(value=ast.Name(id=name), slice=inner):
                return self._of(node, name, inner)
        raise self._refusal(node)

    def _named(self, node: ast.expr, name: str) -> Any:
        if name in self._typing:
            name = self._typing[name]
            if name == "Any":
                return Any
            raise self._refusal(node)
        found = real_type(self._names.get(name))
        if isinstance(found, type) and (issubclass(found, Record) or found in (int, str, bool, list, dict, tuple)):
            return found
        if isinstance(found, UnionType) or getattr(found, "__origin__", None) is not None:
            return found
        raise self._refusal(node)

    def _of(self, node: ast.expr, name: str, inner: ast.expr) -> Any:
        outer = self._typing.get(name, name)
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        match outer, parts:
            case "list" | "Sequence" | "Iterable", [part]:
                return list[self.resolve(part)]  # type: ignore[misc]
            case "dict" | "Mapping", [ast.Name(id="str"), part]:
                return dict[str, self.resolve(part)]  # type: ignore[misc]
            case "tuple", [part, ast.Constant(value=end)] if end is Ellipsis:
                return tuple[self.resolve(part), ...]  # type: ignore[misc]
            case "tuple", _:
                return tuple[tuple(self.resolve(part) for part in parts)]  # type: ignore[misc]
            case "Optional", [part]:
                return Union[self.resolve(part), None]  # noqa: UP007
            case "Union", _:
                return Union[tuple(self.resolve(part) for part in parts)]  # noqa: UP007
            case "Literal", _ if all(_is_literal(part) for part in parts):
                return Literal[tuple(part.value for part in parts if isinstance(part, ast.Constant))]
            case "Final", [part]:
                return self.resolve(part)
        raise self._refusal(node)

    def _refusal(self, node: ast.expr | None) -> ChaincodeRefused:
        line = getattr(node, "lineno", 1)
        text = ast.unparse(node)[:80] if node is not None else ""
        return ChaincodeRefused(
            f"{self._file}:{line}: [annotation] {text} is no type that values are sent or stored as: "
            "int, str, bool, None, list[…], dict[str, …], tuple[…], a Record, or one of these | another"
        )


def _is_literal(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and type(part.value) in (str, int)
