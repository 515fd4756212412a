"""Sorting, least and greatest: paid for by the number of comparisons and by what is compared.

A key function runs once an item, here and not within the interpreter's sort; what it gives is data, and
comparing data runs no code of a contract.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from ledgernode.execution.sandbox.callables import making_units, spread
from ledgernode.execution.sandbox.meter import SEAT
from ledgernode.execution.sandbox.values import weigh

_INTEGERS: Final = frozenset({int, bool})
_TEXTS: Final = frozenset({str})
_TUPLES: Final = frozenset({tuple})
_NOTHING: Final = object()

Key = Callable[[Any], Any] | None


def ordered(items: list[Any], key: Key, reverse: Any) -> list[Any]:
    """A new sorted list; equal items keep their order, also in reverse."""
    if key is None:
        _charge(items, len(items).bit_length())
        return sorted(items, reverse=bool(reverse))
    keys = _keys(items, key)
    _charge(keys, len(keys).bit_length())
    places = sorted(range(len(items)), key=keys.__getitem__, reverse=bool(reverse))
    return [items[place] for place in places]


def least(*args: Any, key: Key = None, default: Any = _NOTHING) -> Any:
    return _first(min, args, key, default)


def greatest(*args: Any, key: Key = None, default: Any = _NOTHING) -> Any:
    return _first(max, args, key, default)


def least_of_two(a: Any, b: Any, /) -> Any:
    """`min(a, b)` of integers, which is what is asked for most."""
    return (b if b < a else a) if type(a) is int and type(b) is int else least(a, b)


def greatest_of_two(a: Any, b: Any, /) -> Any:
    return (b if b > a else a) if type(a) is int and type(b) is int else greatest(a, b)


def sorted_list(items: Any, /, *, key: Key = None, reverse: Any = False) -> list[Any]:
    return ordered(list(spread(items)), key, reverse)


def _first(choose: Callable[..., Any], args: tuple[Any, ...], key: Key, default: Any) -> Any:
    items = list(spread(args[0])) if len(args) == 1 else list(args)
    if not items and default is not _NOTHING:
        return default
    if key is None:
        _charge(items, 1)
        return choose(items)
    keys = _keys(items, key)
    _charge(keys, 1)
    return choose(zip(keys, items, strict=True), key=itemgetter(0))[1]


def _keys(items: list[Any], key: Callable[[Any], Any]) -> list[Any]:
    SEAT.meter.charge(len(items) * making_units(key))
    return [key(item) for item in items]


def _charge(keys: list[Any], rounds: int) -> None:
    """Pay for comparing these with each other, so many times each."""
    count = len(keys)
    SEAT.meter.charge((count >> 2) + 1)
    kinds = set(map(type, keys))
    if kinds <= _INTEGERS:
        SEAT.meter.charge(count * rounds >> 2)
    elif kinds <= _TEXTS:
        SEAT.meter.charge((count + (sum(map(len, keys)) >> 4)) * rounds >> 1)
    elif kinds == _TUPLES and (parts := _flat_parts(keys)):
        SEAT.meter.charge((count + parts) * rounds >> 1)
    else:
        SEAT.meter.charge(weigh(keys) * rounds)


def _flat_parts(keys: list[Any]) -> int:
    """How much there is to compare in tuples of integers and text; 0 when there is anything else in them."""
    SEAT.meter.charge(sum(map(len, keys)) >> 2)
    parts = list(chain.from_iterable(keys))
    kinds = set(map(type, parts))
    if kinds <= _INTEGERS:
        return len(parts)
    if kinds <= _INTEGERS | _TEXTS:
        return len(parts) + sum(len(part) >> 4 for part in parts if type(part) is str)
    return 0
