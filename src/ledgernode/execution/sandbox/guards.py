"""The built-in functions a contract may name, and everything its rewritten code calls: all metered.

What is charged is the real size of the work, before it is done. Iterators are consumed through counted
steps. Names that begin and end with two underscores belong to the rewriting; a contract cannot say them.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from ledgernode.errors import ContractFault, ValueTooLarge
from ledgernode.execution.sandbox import methods, operators, values
from ledgernode.execution.sandbox.callables import (
    SIZED,
    Lambda,
    Stream,
    each,
    generator,
    making_units,
    size,
    spread,
    steps,
)
from ledgernode.execution.sandbox.language import BUILTINS, CATCHABLE, GUARDED
from ledgernode.execution.sandbox.meter import INTEGER_BITS, SEAT
from ledgernode.execution.sandbox.ordering import greatest, greatest_of_two, least, least_of_two, sorted_list
from ledgernode.execution.sandbox.typeforms import MeteredType, real_type

_INTEGER_TEXT: Final = 4_200
"""Characters of text that an integer is read from: enough for 4,096 bits in base 2."""

_UNITS_OF_A_STREAM: Final = 8

FORMAT_SPEC: Final = re.compile(
    r"(?:.?[<>=^])?[-+ ]?#?0?(?P<width>[0-9]{0,3})[,_]?(?:\.[0-9]{1,3})?[bdoxXs]?", re.DOTALL
)
"""What may follow the colon in an f-string: fill, alignment, sign, a width below 1,000, and no fractions."""


# ---------------------------------------------------------------- types that are called


def make_int(value: Any = 0, /, base: Any = 10) -> int:
    if type(value) is int and base == 10:
        return value
    if type(value) is bool:
        return builtins.int(value)
    if type(value) is not str:
        raise ContractFault("int() reads text, integers and booleans")
    if len(value) > _INTEGER_TEXT or (base == 10 and len(value) > INTEGER_BITS // 3):
        raise ValueTooLarge("the text is longer than an integer may be")
    SEAT.meter.charge(len(value) * len(value) >> 12)
    return operators.bounded(builtins.int(value, base))


def make_str(value: Any = "", /) -> str:
    return show(value)


def make_bool(value: Any = False, /) -> bool:
    return True if value else False  # noqa: SIM210 - `bool` is what this stands in for


def make_list(items: Any = (), /) -> list[Any]:
    return list(spread(items))


def make_tuple(items: Any = (), /) -> tuple[Any, ...]:
    return tuple(spread(items))


def make_dict(items: Any = (), /, **named: Any) -> dict[Any, Any]:
    return dict(methods.pairs(items), **named)


def show(value: Any, spec: str = "") -> str:
    """The text of an integer, text, boolean or None: all that `str()` and f-strings say."""
    kind = type(value)
    if kind is int:
        SEAT.meter.charge((value.bit_length() >> 4) + 1)
    elif kind is str:
        SEAT.meter.charge((len(value) >> 4) + 1)
        if not spec:
            return str(value)
    elif kind is not bool and value is not None:
        raise ContractFault("only integers, text, booleans and None have a text: name the field you mean")
    return format(value, spec)


# ---------------------------------------------------------------- functions


def is_instance(value: Any, kinds: Any, /) -> bool:
    wanted = kinds if type(kinds) is tuple else (kinds,)
    SEAT.meter.charge(len(wanted) >> 2)
    real = tuple(real_type(kind) for kind in wanted)
    return isinstance(value, real)


def total(items: Any, /, start: Any = 0) -> int:
    if type(start) is not int:
        raise ContractFault("sum() adds integers")
    if type(items) in SIZED:
        SEAT.meter.charge((size(items) >> 2) + 1)
        return operators.bounded(sum(items, start))
    return operators.bounded(sum(steps(items), start))


def absolute(value: Any, /) -> int:
    return operators.negate(value) if isinstance(value, int) and value < 0 else operators.keep(value)


def divide(a: Any, b: Any, /) -> tuple[int, int]:
    return operators.floor_divide(a, b), operators.modulo(a, b)


def any_of(items: Any, /) -> bool:
    return any(_walked(items))


def all_of(items: Any, /) -> bool:
    return all(_walked(items))


def enumerated(items: Any, /, start: int = 0) -> Iterator[Any]:
    return enumerate(items, start) if type(items) in SIZED else _stream(enumerate(steps(items), start))


def zipped(*columns: Any, strict: Any = False) -> Iterator[Any]:
    if all(type(column) in SIZED for column in columns):
        return zip(*columns, strict=bool(strict))
    return _stream(zip(*map(_walked_lazily, columns), strict=bool(strict)))


def mapped(make: Any, /, *columns: Any) -> Iterator[Any]:
    units = making_units(make)
    return _stream(map(make, *(steps(column, units) for column in columns)))


def filtered(keep: Any, items: Any, /) -> Iterator[Any]:
    return _stream(filter(keep, steps(items, making_units(keep))))


def backwards(items: Any, /) -> Iterator[Any]:
    if type(items) not in SIZED:
        raise ContractFault("reversed() takes a list, tuple, range, text or map: make a list of it first")
    found: Iterator[Any] = reversed(items)
    return found


def next_of(items: Any, /, *default: Any) -> Any:
    return next(items, *default)


def character(code: Any, /) -> str:
    return chr(code)


def code_of(text: Any, /) -> int:
    return ord(text)


def _stream(steps_made: Iterator[Any]) -> Stream:
    SEAT.meter.charge(_UNITS_OF_A_STREAM)
    return Stream(steps_made)


def _walked(items: Any) -> Any:
    if type(items) in SIZED:
        SEAT.meter.charge((size(items) >> 3) + 1)
        return items
    return steps(items)


def _walked_lazily(items: Any) -> Any:
    return items if type(items) in SIZED else steps(items)


# ---------------------------------------------------------------- what rewritten code calls


def named(arguments: Any) -> Any:
    """A map spread into another, or into a call: `**arguments`."""
    return methods.pairs(arguments)


def caught(error: BaseException) -> None:
    """An error that a contract has caught lets go of the calls it came through."""
    error.__traceback__ = error.__context__ = error.__cause__ = None


def pay(units: int) -> bool:
    """Charge for a small lambda; always true."""
    SEAT.meter.charge(units)
    return True


TYPE_MAKERS: Final[dict[str, Callable[..., Any]]] = {
    "int": make_int,
    "str": make_str,
    "bool": make_bool,
    "list": make_list,
    "dict": make_dict,
    "tuple": make_tuple,
}

_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "abs": absolute,
    "all": all_of,
    "any": any_of,
    "chr": character,
    "divmod": divide,
    "enumerate": enumerated,
    "filter": filtered,
    "isinstance": is_instance,
    "len": len,
    "map": mapped,
    "max": greatest,
    "min": least,
    "next": next_of,
    "ord": code_of,
    "range": range,
    "reversed": backwards,
    "sorted": sorted_list,
    "sum": total,
    "zip": zipped,
}

_REWRITTEN: Final[dict[str, Any]] = {
    "seat": SEAT,
    "type": type,
    "int": int,
    "str": str,
    "list": list,
    "min_of_two": least_of_two,
    "max_of_two": greatest_of_two,
    "add": operators.add,
    "sub": operators.subtract,
    "mult": operators.multiply,
    "floordiv": operators.floor_divide,
    "mod": operators.modulo,
    "pow": operators.power,
    "lshift": operators.shift_left,
    "rshift": operators.shift_right,
    "bitand": operators.bit_and,
    "bitor": operators.bit_or,
    "bitxor": operators.bit_xor,
    "iadd": operators.add_in_place,
    "imult": operators.multiply_in_place,
    "ibitor": operators.bit_or_in_place,
    "usub": operators.negate,
    "uadd": operators.keep,
    "invert": operators.invert,
    "in": operators.contains,
    "notin": operators.without,
    "slice": operators.take_slice,
    "storeslice": operators.store_slice,
    "deleteslice": operators.delete_slice,
    "deleteitem": operators.delete_item,
    "comparable": values.comparable,
    "key": values.key,
    "freeze": values.freeze,
    "attribute": methods.attribute,
    "storeattribute": methods.store_attribute,
    "show": show,
    "spread": spread,
    "named": named,
    "each": each,
    "steps": steps,
    "stream": Stream,
    "lambda": Lambda,
    "pay": pay,
    "caught": caught,
    "generator": generator,
}


def hidden(name: str) -> str:
    """A name of the rewriting: no contract can say it, and the compiler does not mangle it."""
    return f"__{name}__"


def method_name(name: str) -> str:
    return hidden(f"do_{name}")


def _namespace() -> dict[str, Any]:
    kinds = {"int": int, "str": str, "bool": bool, "list": list, "dict": dict, "tuple": tuple}
    found: dict[str, Any] = {"__build_class__": builtins.__build_class__}
    found.update({name: getattr(builtins, name) for name in CATCHABLE})
    found.update({name: MeteredType(kind, TYPE_MAKERS[name]) for name, kind in kinds.items()})
    found.update(_FUNCTIONS)
    assert set(found) - {"__build_class__"} == BUILTINS, "every listed function has a metered one"
    found.update({"property": property, "staticmethod": staticmethod})
    found.update({hidden(name): guard for name, guard in _REWRITTEN.items()})
    found.update({hidden(f"make_{name}"): maker for name, maker in TYPE_MAKERS.items()})
    found.update({hidden(f"real_{name}"): kind for name, kind in kinds.items()})
    found.update({method_name(name): methods.guard_of(name) for name in GUARDED})
    return found


NAMESPACE: Final = _namespace()
"""The `__builtins__` of every module of a contract."""
