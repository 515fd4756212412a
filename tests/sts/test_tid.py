"""Identifiers: minutes since a base date, each given to a meter once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadTokenParameter, TokenKeyExpired, TokenTimeOutOfRange, TokenTooFarAhead
from ledgernode.sts.tid import (
    AHEAD_MINUTES,
    DAY_MINUTES,
    MINUTE_MS,
    TIDS,
    BaseDate,
    Tid,
    is_special,
    issue,
    minute_of,
    require_unexpired,
    reserve,
    time_of,
)

BASE = BaseDate.Y2014
each_base = pytest.mark.parametrize("base", list(BaseDate))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000


@each_base
def test_a_base_date_begins_with_its_year(base: BaseDate) -> None:
    """At 00:00, as number 0; two digits of the year stand for it when a key is derived."""
    assert base.start_ms == at(f"{base.value}-01-01T00:00")
    assert minute_of(base, base.start_ms) == 0
    assert base.code == str(base.value)[2:]


@pytest.mark.parametrize(
    ("base", "last"),
    [
        (BaseDate.Y1993, "2024-11-24T20:15"),
        (BaseDate.Y2014, "2045-11-24T20:15"),
        (BaseDate.Y2035, "2066-11-24T20:15"),
    ],
)
def test_a_base_date_runs_out(base: BaseDate, last: str) -> None:
    """After 2^24 minutes: the last has a number, the next none, and the refusal says what to do."""
    assert issue(base, at(last)) == TIDS - 1
    assert reserve(base, at(last) + MINUTE_MS - 1, None) == TIDS - 1
    assert base.end_ms == at(last) + MINUTE_MS
    for refused in (lambda: issue(base, base.end_ms), lambda: reserve(base, at(last), TIDS - 1)):
        with pytest.raises(TokenTimeOutOfRange, match="change the meter's key"):
            refused()


def test_before_the_base_date_there_is_no_number() -> None:
    """A meter on 2014 cannot be sent a token of 2013."""
    with pytest.raises(TokenTimeOutOfRange, match="before base date 2014"):
        issue(BASE, BASE.start_ms - 1)


def test_the_next_base_date_has_numbers_when_one_runs_out() -> None:
    """Roll-over: the key of the next base date continues on the very minute."""
    for base, following in ((BaseDate.Y1993, BaseDate.Y2014), (BaseDate.Y2014, BaseDate.Y2035)):
        assert 0 < issue(following, base.end_ms) < TIDS


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        ("2026-05-03T23:59", "2026-05-03T23:59"),
        ("2026-05-04T00:00", "2026-05-04T00:00"),
        ("2026-05-04T00:01", "2026-05-04T00:02"),
        ("2026-05-04T00:02", "2026-05-04T00:02"),
        ("2024-02-29T00:01", "2024-02-29T00:02"),
    ],
)
def test_one_minute_past_midnight_is_never_given(minute: str, expected: str) -> None:
    """What is issued at 00:01 takes the next."""
    assert time_of(BASE, issue(BASE, at(minute))) == at(expected)


def test_two_tokens_in_one_minute_have_two_identifiers() -> None:
    """The second takes the next free minute, across midnight too."""
    now = at("2026-05-03T23:59")
    first = reserve(BASE, now, None)
    second = reserve(BASE, now + 30_000, first)
    third = reserve(BASE, now + 59_999, second)
    given_out = [time_of(BASE, tid) for tid in (first, second, third)]
    assert given_out == [now, at("2026-05-04T00:00"), at("2026-05-04T00:02")]


def test_a_meter_gets_at_most_an_hour_of_tokens_ahead() -> None:
    """The sixtieth minute ahead is given, the next is refused until time has passed."""
    now = at("2026-05-03T12:00")
    last = minute_of(BASE, now)
    assert reserve(BASE, now, last + AHEAD_MINUTES - 1) == last + AHEAD_MINUTES
    with pytest.raises(TokenTooFarAhead, match="in 1 minutes") as refused:
        reserve(BASE, now, last + AHEAD_MINUTES)
    assert refused.value.facts == {"retry_ms": MINUTE_MS}
    assert reserve(BASE, now + MINUTE_MS, last + AHEAD_MINUTES) == last + AHEAD_MINUTES + 1


def test_skipping_the_special_minute_counts_toward_the_hour() -> None:
    """At 23:01 the sixtieth minute ahead is 00:01: nobody gets it, nor the one after."""
    now = at("2026-05-03T23:01")
    last = minute_of(BASE, now)
    assert reserve(BASE, now, last + 58) == last + 59
    with pytest.raises(TokenTooFarAhead):
        reserve(BASE, now, last + 59)


@given(st.integers(0, TIDS - 3_000), st.lists(st.integers(0, 90 * MINUTE_MS // 2), max_size=120))
def test_reservations_never_meet(start: int, pauses_ms: list[int]) -> None:
    """Whenever somebody buys: identifiers rise, none is special, none an hour ahead of its time, none behind it."""
    now_ms, last = time_of(BASE, Tid(start)), None
    for pause_ms in pauses_ms:
        now_ms = min(now_ms + pause_ms % (3 * MINUTE_MS), BASE.end_ms - 1)
        try:
            tid = reserve(BASE, now_ms, last)
        except TokenTooFarAhead:
            assert last is not None
            assert last + 2 > minute_of(BASE, now_ms) + AHEAD_MINUTES
            continue
        assert last is None or tid > last
        assert not is_special(tid)
        assert 0 <= tid - minute_of(BASE, now_ms) <= AHEAD_MINUTES
        last = tid


@given(st.integers(0, TIDS - 1))
def test_identifier_and_time_agree(tid: int) -> None:
    """The minute an identifier names has that number."""
    assert minute_of(BASE, time_of(BASE, Tid(tid))) == tid
    assert is_special(tid) == (time_of(BASE, Tid(tid)) // MINUTE_MS % DAY_MINUTES == 1)


@pytest.mark.parametrize("expiry", [0, 1, 89, 254, 255])
def test_a_key_expires_with_its_number(expiry: int) -> None:
    """The last identifier whose highest eight bits equal the number passes, the next does not; 255 never expires."""
    last = Tid((expiry << 16) + 0xFFFF)
    require_unexpired(last, expiry)
    if expiry == 255:
        assert last == TIDS - 1
        return
    with pytest.raises(TokenKeyExpired, match=f"whose last is {last}"):
        require_unexpired(Tid(last + 1), expiry)


@pytest.mark.parametrize("expiry", [-1, 256])
def test_an_expiry_number_has_eight_bits(expiry: int) -> None:
    """Another number is a mistake of whoever set it."""
    with pytest.raises(BadTokenParameter, match="between 0 and 255"):
        require_unexpired(Tid(0), expiry)
