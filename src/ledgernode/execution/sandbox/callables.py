"""Functions and iterators that run a contract's code later: each step is counted, and its depth kept.

Without them a chain of lambdas or generators, each holding the one before, would be as deep as the
budget is large, and end in the interpreter's own stack limit, which differs from host to host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FunctionType, MappingProxyType, MethodType
from typing import Any, Final

from ledgernode.execution.sandbox.meter import CALL_DEPTH, SEAT

SIZED: Final = frozenset(
    {list, tuple, dict, str, range, MappingProxyType, type({}.keys()), type({}.values()), type({}.items())}
)
"""What has a length and is walked without running a contract's code."""

_UNITS_OF_A_GENERATOR: Final = 8
_SHIFT: Final[dict[Any, int]] = {list: 3, tuple: 3, dict: 3, MappingProxyType: 3, range: 1}


class Stream:
    """An iterator over steps of a contract's code."""

    __slots__ = ("_advance",)

    def __init__(self, steps: Iterator[Any]) -> None:
        self._advance = steps.__next__

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        meter = SEAT.meter
        meter.left -= 1
        meter.depth += 1
        if meter.left < 0 or meter.depth > CALL_DEPTH:
            meter.stop()
        try:
            return self._advance()
        finally:
            meter.depth -= 1


class Deferred:
    """A lambda or a generator function, with what it costs to enter."""

    __slots__ = ("_function", "_units")

    def __init__(self, function: FunctionType, units: int) -> None:
        self._function = function
        self._units = units

    @property
    def is_constant(self) -> bool:
        """Whether it holds nothing of an enclosing function that could change."""
        return self._function.__closure__ is None


class Lambda(Deferred):
    """A lambda expression."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        meter = SEAT.meter
        meter.left -= self._units
        meter.depth += 1
        if meter.left < 0 or meter.depth > CALL_DEPTH:
            meter.stop()
        try:
            return self._function(*args, **kwargs)
        finally:
            meter.depth -= 1


class GeneratorFunction(Deferred):
    """A function that yields: calling it makes a stream."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Stream:
        code = self._function.__code__
        SEAT.meter.charge(_UNITS_OF_A_GENERATOR + (code.co_nlocals + code.co_stacksize) // 8)
        return Stream(self._function(*args, **kwargs))

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else MethodType(self, instance)


def generator(units: int) -> Callable[[FunctionType], GeneratorFunction]:
    """The innermost decorator of every function that yields."""
    return lambda function: GeneratorFunction(function, units)


def size(items: Any) -> int:
    """The length of something in `SIZED`, also of a range that is longer than the interpreter can say."""
    if type(items) is range:
        return max(0, -(-(items.stop - items.start) // items.step))
    return len(items)


def units_to_copy(items: Any) -> int:
    """What a list of these items costs: less where they exist already, more where they are made."""
    return (size(items) >> _SHIFT.get(type(items), 0)) + 1


def each(items: Any, units: int) -> Any:
    """The items of a list or dict comprehension, paid for: at once where their number is known."""
    if type(items) in SIZED:
        SEAT.meter.charge(size(items) * units)
        return items
    return steps(items, units)


def steps(items: Any, units: int = 1) -> Iterator[Any]:
    """The items, each paid for when it is taken."""
    meter = SEAT.meter
    for item in items:
        meter.left -= units
        if meter.left < 0:
            meter.stop()
        yield item


def spread(items: Any) -> Any:
    """Items that are about to be copied into a list, a tuple or a call's arguments, paid for."""
    if type(items) in SIZED:
        SEAT.meter.charge(units_to_copy(items))
        return items
    return list(steps(items, 3))


def making_units(make: Any) -> int:
    """What a call through a function argument costs beyond what the function charges for itself."""
    return 2 + (len(make.__struct_fields__) if isinstance(make, type) and hasattr(make, "__struct_fields__") else 0)
