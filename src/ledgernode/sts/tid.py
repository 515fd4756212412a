"""A token's identifier (TID): the minute it was issued in, counted from a base date, in 24 bits.

A meter accepts an identifier once, so no two tokens of one meter may share a minute. One minute of each day, 00:01, is
kept for other uses of the standard: what would fall on it takes the next. After 2^24 minutes, not quite 32 years, the
numbers of a base date run out; the meter then gets a key of the next base date, and forgets the identifiers it
remembers.

    base date    first minute        last minute
    1993         1993-01-01 00:00    2024-11-24 20:15
    2014         2014-01-01 00:00    2045-11-24 20:15
    2035         2035-01-01 00:00    2066-11-24 20:15

A key has an expiry number: a meter refuses identifiers whose highest eight bits lie above it. 255 never expires.
All times are UTC milliseconds.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NewType

from ledgernode.errors import BadTokenParameter, TokenKeyExpired, TokenTimeOutOfRange, TokenTooFarAhead

Tid = NewType("Tid", int)

TIDS: Final = 1 << 24
SPECIAL_MINUTE: Final = 1  # of each day: 00:01
DAY_MINUTES: Final = 24 * 60
MINUTE_MS: Final = 60_000
AHEAD_MINUTES: Final = 60
NEVER_EXPIRES: Final = 255
_EXPIRY_SHIFT: Final = 16


class BaseDate(Enum):
    """The year whose first minute is number 0; `code` stands for it when a key is derived."""

    Y1993 = 1993
    Y2014 = 2014
    Y2035 = 2035

    @property
    def code(self) -> str:
        return f"{self.value % 100:02d}"

    @property
    def start_ms(self) -> int:
        return _STARTS_MS[self]

    @property
    def end_ms(self) -> int:
        """The first moment that has no number any more."""
        return self.start_ms + TIDS * MINUTE_MS


_STARTS_MS: Final = {
    BaseDate.Y1993: 725_846_400_000,
    BaseDate.Y2014: 1_388_534_400_000,
    BaseDate.Y2035: 2_051_222_400_000,
}


def minute_of(base: BaseDate, time_ms: int) -> int:
    """The minute since the base date; refuses what lies before it, or after its last."""
    minute = (time_ms - base.start_ms) // MINUTE_MS
    if minute < 0:
        raise TokenTimeOutOfRange(f"the time lies before base date {base.value}: use the meter's earlier base date")
    return _within(base, minute)


def issue(base: BaseDate, time_ms: int) -> Tid:
    """The identifier of a token issued at this time, where none was issued before."""
    return _usable(base, minute_of(base, time_ms))


def reserve(base: BaseDate, time_ms: int, last: int | None) -> Tid:
    """The identifier of a meter's next token: its minute, or the first free one after the `last` it was given.

    Refuses (TOKEN_TID_AHEAD) what would lie more than `AHEAD_MINUTES` before its time: so many tokens wait already.
    """
    now = minute_of(base, time_ms)
    tid = _usable(base, now if last is None else max(now, last + 1))
    if tid > now + AHEAD_MINUTES:
        wait_minutes = tid - now - AHEAD_MINUTES
        raise TokenTooFarAhead(
            f"this meter's identifiers are taken for more than {AHEAD_MINUTES} minutes ahead:"
            f" vend again in {wait_minutes} minutes",
            retry_ms=wait_minutes * MINUTE_MS,
        )
    return tid


def is_special(tid: int) -> bool:
    return tid % DAY_MINUTES == SPECIAL_MINUTE


def time_of(base: BaseDate, tid: Tid) -> int:
    """When the minute of an identifier began."""
    return base.start_ms + tid * MINUTE_MS


def require_unexpired(tid: Tid, key_expiry: int) -> None:
    """Refuses (TOKEN_KEY_EXPIRED) an identifier beyond the key's expiry number."""
    require_key_expiry(key_expiry)
    if tid >> _EXPIRY_SHIFT > key_expiry:
        raise TokenKeyExpired(
            f"identifier {tid} lies beyond the key's expiry number {key_expiry},"
            f" whose last is {(key_expiry + 1 << _EXPIRY_SHIFT) - 1}: change the meter's key first"
        )


def require_key_expiry(number: int) -> None:
    if not 0 <= number <= NEVER_EXPIRES:
        raise BadTokenParameter(f"a key's expiry number lies between 0 and {NEVER_EXPIRES}, this one is {number}")


def _usable(base: BaseDate, minute: int) -> Tid:
    return Tid(_within(base, minute + 1 if is_special(minute) else minute))


def _within(base: BaseDate, minute: int) -> int:
    if minute >= TIDS:
        raise TokenTimeOutOfRange(
            f"the {TIDS} minutes of base date {base.value} have run out: change the meter's key to a later base date"
        )
    return minute
