"""The contract's rule for identifiers is that of the token library, wherever a token is reserved."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chaincode import tid as contract
from chaincode.api import Refusal
from ledgernode import errors
from ledgernode.sts import tid as library

CODES = {
    "TIDS_RUN_OUT": errors.TokenTimeOutOfRange,
    "TID_AHEAD": errors.TokenTooFarAhead,
    "KEY_EXPIRED": errors.TokenKeyExpired,
}
MINUTE_MS = 60_000


def by_library(base: library.BaseDate, time_ms: int, last: int | None, key_expiry: int) -> int | type[Exception]:
    try:
        tid = library.reserve(base, time_ms, last)
        library.require_unexpired(tid, key_expiry)
    except tuple(CODES.values()) as refusal:
        return type(refusal)
    return int(tid)


def by_contract(base: library.BaseDate, time_ms: int, last: int | None, key_expiry: int) -> int | type[Exception]:
    try:
        none = contract.NONE_YET if last is None else last
        return contract.next_tid(base.value, time_ms, none, library.AHEAD_MINUTES, key_expiry)
    except Refusal as refusal:
        return CODES[refusal.code]


@given(
    base=st.sampled_from(list(library.BaseDate)),
    minute=st.integers(-2, library.TIDS + 2) | st.integers(0, 40).map(lambda day: day * 1_440 + 1),
    rest_ms=st.integers(0, MINUTE_MS - 1),
    ahead=st.none() | st.integers(-100, 63),
    key_expiry=st.integers(0, 255),
)
@example(base=library.BaseDate.Y2014, minute=1, rest_ms=0, ahead=None, key_expiry=255)
@example(base=library.BaseDate.Y2014, minute=1_440, rest_ms=0, ahead=0, key_expiry=255)
@example(base=library.BaseDate.Y1993, minute=library.TIDS - 1, rest_ms=0, ahead=0, key_expiry=255)
def test_the_contract_gives_the_identifier_that_the_library_gives(
    base: library.BaseDate, minute: int, rest_ms: int, ahead: int | None, key_expiry: int
) -> None:
    """TID: max(minute(block time), last + 1), skipping 00:01, at most 60 minutes ahead, else refused: alike in both."""
    time_ms = base.start_ms + minute * MINUTE_MS + rest_ms
    last = None if ahead is None else max(minute + ahead, 0)
    asked = (base, time_ms, last, key_expiry)
    assert by_contract(*asked) == by_library(*asked)


def test_both_know_the_same_base_dates() -> None:
    """1993, 2014 and 2035, to the millisecond."""
    assert {base.value: base.start_ms for base in library.BaseDate} == contract.STARTS_MS
    with pytest.raises(KeyError):
        contract.next_tid(2000, 0, contract.NONE_YET)
