"""Operators as a contract's code means them: integers bounded, copies paid for, no fraction ever made.

The rewritten code calls these where an operator could be expensive or surprise. Small integers take the
first branch; everything else is weighed first.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from ledgernode.errors import ContractFault, ValueTooLarge
from ledgernode.execution.sandbox.callables import SIZED, size, spread, steps
from ledgernode.execution.sandbox.meter import INTEGER_BITS, SEAT
from ledgernode.execution.sandbox.typeforms import TypeForm
from ledgernode.execution.sandbox.values import comparable, key, weigh

WORD: Final = 1 << 62
_DIGIT_BITS: Final = 30
_PRODUCTS_PER_UNIT: Final = 64
_NAIVE_SEARCH: Final = 128
_MAPPINGS: Final = (dict, MappingProxyType)


def bounded(number: int) -> int:
    """An integer that may stay: refuses one of more than 4,096 bits, charges a large one."""
    if -WORD < number < WORD:
        return number
    bits = number.bit_length()
    if bits > INTEGER_BITS:
        raise _too_large()
    SEAT.meter.charge(1 + (bits >> 8))
    return number


def multiply(a: Any, b: Any) -> Any:
    if type(a) is int and type(b) is int:
        if -WORD < a < WORD and -WORD < b < WORD:
            return a * b
        return _large_product(a, b)
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if isinstance(a, int):
        a, b = b, a
    if isinstance(b, int) and type(a) in (str, list, tuple):
        SEAT.meter.charge(_copy_units(a, len(a) * max(b, 0)))
        return a * b
    raise _unfit("*")


def add(a: Any, b: Any) -> Any:
    if type(a) is int and type(b) is int:
        total = a + b
        return total if -WORD < total < WORD else bounded(total)
    if isinstance(a, int) and isinstance(b, int):
        return bounded(a + b)
    if type(a) is type(b) and type(a) in (str, list, tuple):
        SEAT.meter.charge(_copy_units(a, len(a) + len(b)))
        return a + b
    raise _unfit("+")


def subtract(a: Any, b: Any) -> int:
    if type(a) is int and type(b) is int:
        total = a - b
        return total if -WORD < total < WORD else bounded(total)
    _require_integers("-", a, b)
    return bounded(a - b)


def floor_divide(a: Any, b: Any) -> int:
    if type(a) is int and type(b) is int and -WORD < a < WORD:
        return a // b
    _require_integers("//", a, b)
    _charge_products(a, b)
    return bounded(a // b)


def modulo(a: Any, b: Any) -> int:
    if type(a) is int and type(b) is int and -WORD < a < WORD:
        return bounded(a % b)
    if type(a) is str:
        raise ContractFault("% on text is refused: write an f-string")
    _require_integers("%", a, b)
    _charge_products(a, b)
    return bounded(a % b)


def power(a: Any, b: Any) -> int:
    _require_integers("**", a, b)
    if b < 0:
        raise ContractFault("a negative power is a fraction, and there are none: use // where you mean it")
    bits = a.bit_length()
    if bits > 1:
        if (bits - 1) * b > INTEGER_BITS:
            raise _too_large()
        digits = bits * b // _DIGIT_BITS + 1
        SEAT.meter.charge(2 + digits * digits // (_PRODUCTS_PER_UNIT // 2))
    elif b > INTEGER_BITS:
        return 1 if a == 1 or (a == -1 and b % 2 == 0) else a
    return bounded(a**b)


def shift_left(a: Any, b: Any) -> int:
    _require_integers("<<", a, b)
    if a and a.bit_length() + b > INTEGER_BITS:
        raise _too_large()
    return bounded(a << b) if a else 0


def shift_right(a: Any, b: Any) -> int:
    _require_integers(">>", a, b)
    return bounded(a >> b)


def bit_and(a: Any, b: Any) -> int:
    _require_integers("&", a, b)
    return bounded(a & b)


def bit_xor(a: Any, b: Any) -> int:
    _require_integers("^", a, b)
    return bounded(a ^ b)


def bit_or(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return bounded(a | b)
    if isinstance(a, TypeForm):
        return a.either(b)
    if isinstance(b, TypeForm) and (a is None or isinstance(a, type)):
        return TypeForm(a).either(b)
    if type(a) in _MAPPINGS and type(b) in _MAPPINGS:
        SEAT.meter.charge(2 + len(a) + len(b))
        return {**a, **b}
    raise _unfit("|")


def negate(a: Any) -> int:
    _require_integers("-", a, 0)
    return bounded(-a)


def keep(a: Any) -> int:
    _require_integers("+", a, 0)
    return bounded(+a)


def invert(a: Any) -> int:
    _require_integers("~", a, 0)
    return bounded(~a)


# ---------------------------------------------------------------- in place


def add_in_place(a: Any, b: Any) -> Any:
    """A list takes the other's items in, as `+=` means it; everything else is made anew."""
    if type(a) is not list:
        return add(a, b)
    a += spread(b)
    return a


def multiply_in_place(a: Any, b: Any) -> Any:
    if type(a) is not list or not isinstance(b, int):
        return multiply(a, b)
    SEAT.meter.charge(_copy_units(a, len(a) * max(b, 0)))
    a *= b
    return a


def bit_or_in_place(a: Any, b: Any) -> Any:
    if type(a) is not dict:
        return bit_or(a, b)
    if type(b) not in _MAPPINGS:
        raise _unfit("|=")
    SEAT.meter.charge(1 + len(b))
    a |= b
    return a


# ---------------------------------------------------------------- membership, parts


def contains(item: Any, items: Any) -> bool:
    """`item in items`, paid for by what has to be looked at."""
    kind = type(items)
    if kind in _MAPPINGS or kind is type({}.keys()):
        return key(item) in items
    if kind is str:
        if type(item) is not str:
            raise _unfit("in")
        SEAT.meter.charge(units_to_search(len(items), len(item)))
        return item in items
    if kind is range and type(item) in (int, bool):
        return item in items
    if kind not in SIZED:
        return any(comparable(item) == other for other in steps(items))
    charge_comparisons(item, items)
    return item in items


def without(item: Any, items: Any) -> bool:
    return not contains(item, items)


def charge_comparisons(item: Any, items: Any) -> None:
    """Pay for comparing one value with each of many."""
    meter = SEAT.meter
    count = size(items)
    meter.charge((count >> 2) + 1)
    kind = type(item)
    if kind is str:
        meter.charge(count * len(item) >> 8)
    elif kind is not int and item is not None and kind is not bool and count:
        meter.charge(weigh(item) * count)


def units_to_search(text: int, part: int, *, backwards: bool = False) -> int:
    """Of a search in a text: short parts, and all searches from the end, are looked for place by place."""
    compared = part if backwards else min(part, _NAIVE_SEARCH)
    return (text * compared >> 6) + (text + part >> 4)


def take_slice(items: Any, start: Any, stop: Any, step: Any) -> Any:
    if type(items) not in (str, list, tuple, range):
        raise ContractFault("only text, lists, tuples and ranges have slices")
    part = slice(start, stop, step)
    if type(items) is not range:
        SEAT.meter.charge(_copy_units(items, len(range(*part.indices(len(items))))))
    return items[part]


def store_slice(items: Any, start: Any, stop: Any, step: Any, new: Any) -> None:
    if type(items) is not list:
        raise ContractFault("only a list takes the assignment of a slice")
    copied = list(spread(new))
    SEAT.meter.charge(len(items) + len(copied) >> 3)
    items[start:stop:step] = copied


def delete_slice(items: Any, start: Any, stop: Any, step: Any) -> None:
    if type(items) is not list:
        raise ContractFault("only a list has slices to delete")
    SEAT.meter.charge(len(items) >> 3)
    del items[start:stop:step]


def delete_item(items: Any, at: Any) -> None:
    if type(items) is list:
        SEAT.meter.charge(units_to_move(items))
        del items[at]
    elif type(items) is dict:
        del items[key(at)]
    else:
        raise ContractFault("items are deleted from lists and maps only")


def units_to_move(items: list[Any]) -> int:
    """Of closing or opening a gap in a list."""
    return 1 + (len(items) >> 7)


# ---------------------------------------------------------------- shared


def _large_product(a: int, b: int) -> int:
    if a.bit_length() + b.bit_length() > INTEGER_BITS + 1:
        raise _too_large()
    _charge_products(a, b)
    return bounded(a * b)


def _charge_products(a: int, b: int) -> None:
    digits = (a.bit_length() // _DIGIT_BITS + 1) * (b.bit_length() // _DIGIT_BITS + 1)
    SEAT.meter.charge(1 + digits // _PRODUCTS_PER_UNIT)


def _copy_units(items: Any, length: int) -> int:
    return (length >> (4 if type(items) is str else 3)) + 1


def _require_integers(operator: str, a: Any, b: Any) -> None:
    if not (isinstance(a, int) and isinstance(b, int)):
        raise _unfit(operator)


def _too_large() -> ValueTooLarge:
    return ValueTooLarge(f"an integer grew beyond {INTEGER_BITS} bits")


def _unfit(operator: str) -> ContractFault:
    return ContractFault(f"the operator {operator} does not fit the values it was given")
