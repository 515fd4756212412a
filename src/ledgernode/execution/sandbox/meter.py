"""The meter of one transaction: what its calls may still do, and how deep they are.

Everything a contract does is charged before it is done. A unit is about a tenth of a microsecond of the
reference machine and at most about a hundred bytes, so that the largest budget a genesis allows (500,000)
ends within 100 ms and 50 MB. The prices are part of the execution version: another price is another receipt.

    straight code        1 per 4 names, constants and attributes; 1 per operator, comparison, subscript
    call                 2, and what the callee does; a record 1 per 8 fields more
    function entered     2, a lambda 3; a generator made 8 to 10
    loop turn            1, and its straight code; an element of a comprehension likewise
    display, slice,      1 per 8 elements (list, tuple), 1 per element (dict)
      copy, `+`, `*`
    text made            1 per 16 characters
    search               1 per 64 comparisons of characters, 1 per 4 elements
    sort                 1 per 4 elements and bit of their number; more for text, much more for tuples
    `==` `<` of data     1 per part, 1 per 16 characters
    large integers       1 per 64 products of 30-bit digits; at most 4,096 bits
    arguments, result    10 a call, 1 per 16 bytes in, 1 per part and 16 characters out

The budget's error cannot be caught: it is no `Exception`, `except` may not name it, and the meter stays
exhausted, so that a call that ends in any other way ends as `BudgetExceeded` all the same.
"""

from __future__ import annotations

import gc
from threading import RLock
from typing import Final, NoReturn

from ledgernode.errors import DepthExceeded

CALL_DEPTH: Final = 64
"""Functions, lambdas and generators within each other, over all contracts of a transaction."""

DATA_DEPTH: Final = 32
"""Lists, maps and records within each other, where data is compared, used as a key or sent."""

INTEGER_BITS: Final = 4_096

CALL_UNITS: Final = 10
LOAD_UNITS: Final = 100_000
"""What the constants of a package may cost when it is loaded; no transaction pays for it."""


class BudgetStop(BaseException):
    """The budget is used up. Not an `Exception`: no contract can catch it."""


class Meter:
    """Counts down from a budget. Below zero it stays exhausted."""

    __slots__ = ("budget", "depth", "left")

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.left = budget
        self.depth = 0

    def charge(self, units: int) -> None:
        """Take units; stops the call when there are not enough."""
        self.left -= units
        if self.left < 0:
            raise BudgetStop

    def stop(self) -> NoReturn:
        """End the call for the limit that is passed: the budget first, then the depth."""
        if self.left < 0:
            raise BudgetStop
        raise DepthExceeded(f"functions call each other more than {CALL_DEPTH} deep")

    @property
    def exhausted(self) -> bool:
        return self.left < 0

    @property
    def used(self) -> int:
        return min(self.budget, self.budget - self.left)


class Seat:
    """Where the meter of the running call sits; between calls an exhausted one does."""

    __slots__ = ("meter",)

    def __init__(self) -> None:
        self.meter = Meter(-1)


SEAT: Final = Seat()

_ONE_CALL: Final = RLock()
"""One thread runs contracts at a time: the seat is one, and so is every loaded module."""


class taking_the_seat:  # noqa: N801 - reads as what it does, and a generator's frames would cost a call its speed
    """Runs the code within under this meter.

    The interpreter's garbage collection waits until the outermost call is over: what a call can hold is
    bounded, and a full collection in its middle can cost more than the call.
    """

    __slots__ = ("_before", "_collects", "_depth", "_meter")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __enter__(self) -> None:
        _ONE_CALL.acquire()
        self._before, self._depth = SEAT.meter, self._meter.depth
        SEAT.meter = self._meter
        self._collects = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        SEAT.meter = self._before
        self._meter.depth = self._depth
        if self._collects:
            gc.enable()
        _ONE_CALL.release()
