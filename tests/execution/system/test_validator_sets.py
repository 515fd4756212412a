"""What a validator set must hold before it comes into force, and when it does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadArguments, GovernanceRefused
from ledgernode.execution.system.validators import (
    arranged,
    changed,
    concentration,
    require_endpoint,
    require_sound,
    require_spread,
)
from ledgernode.identity.records import ValidatorRecord, ValidatorsRecord, effective, next_after, signing_set
from ledgernode.wire.quorum import faulty_limit


def seat(number: int, organisation: str | None = None) -> ValidatorRecord:
    return ValidatorRecord(f"{number:064x}", organisation or f"org{number}", f"04{number:0128x}", f"host{number}:7000")


def seats(count: int) -> tuple[ValidatorRecord, ...]:
    return tuple(seat(number) for number in range(count))


@pytest.mark.parametrize(("engine", "count"), [("pbft", 3), ("solo", 0), ("solo", 2), ("pow", 0), ("pow", 129)])
def test_too_few_or_too_many_for_the_engine_are_refused(engine: str, count: int) -> None:
    """PBFT with fewer than four tolerates no fault; solo is one; nobody works with none."""
    with pytest.raises(GovernanceRefused, match=engine):
        require_sound(seats(count), engine)


@pytest.mark.parametrize(("engine", "count"), [("pbft", 4), ("pbft", 5), ("solo", 1), ("pow", 1), ("pow", 128)])
def test_enough_for_the_engine_are_accepted(engine: str, count: int) -> None:
    """The edges of what is allowed."""
    require_sound(seats(count), engine)


def test_an_identity_or_key_standing_twice_is_refused() -> None:
    """One member, one vote."""
    twice = (*seats(4), ValidatorRecord(seat(0).identity, "org9", "04ff", "h:1"))
    with pytest.raises(GovernanceRefused, match="identity"):
        require_sound(twice, "pbft")
    shared = (*seats(4), ValidatorRecord("ff", "org9", seat(0).public_key, "h:1"))
    with pytest.raises(GovernanceRefused, match="public_key"):
        require_sound(shared, "pbft")


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]), min_size=4, max_size=20))
def test_no_organisation_holds_more_than_may_fail(organisations: list[str]) -> None:
    """The rule is exactly `more than f of N`, and only an override passes it."""
    members = [seat(number, organisation) for number, organisation in enumerate(organisations)]
    most = max(organisations.count(name) for name in organisations)
    if most > faulty_limit(len(members)):
        with pytest.raises(GovernanceRefused, match="override"):
            require_spread(members, override=False)
        require_spread(members, override=True)
    else:
        require_spread(members, override=False)
        assert concentration(members) == ""


def test_the_refusal_says_who_would_hold_how_many() -> None:
    """What and why, for the people who vote."""
    members = [seat(0, "acme"), seat(1, "acme"), seat(2), seat(3)]
    assert concentration(members) == "acme would hold 2 of 4 validators, and only 1 may fail"


def test_a_set_that_tolerates_nobody_has_no_spread_to_keep() -> None:
    """With fewer than four members f is zero: one organisation may run them all."""
    require_spread([seat(0, "acme"), seat(1, "acme")], override=False)


def test_a_second_pending_change_is_refused() -> None:
    """One at a time, so that every header names the one set that follows."""
    pending = changed(ValidatorsRecord(3, seats(4)), seats(5), last_height=20)
    assert (pending.epoch, pending.last_height, len(pending.next_members)) == (3, 20, 5)
    with pytest.raises(GovernanceRefused, match="block 20"):
        changed(pending, seats(6), last_height=30)


@given(st.integers(1, 1_000), st.integers(0, 2_000))
def test_a_set_change_takes_effect_after_its_last_height(last_height: int, height: int) -> None:
    """Up to and with the last height the old epoch; then the new members, one epoch on, nothing pending."""
    record = ValidatorsRecord(7, seats(4), seats(5), last_height)
    now = effective(record, height)
    if height <= last_height:
        assert now == record
    else:
        assert now == ValidatorsRecord(8, seats(5))
    assert next_after(record, height) == effective(record, height + 1)
    assert effective(now, height) == now


def test_a_set_without_change_stays() -> None:
    """No height ends an epoch by itself."""
    record = ValidatorsRecord(7, seats(4))
    assert effective(record, 10**9) == record


def test_the_signing_set_is_ordered_by_identity() -> None:
    """Positions in a certificate mean the same to everyone."""
    record = ValidatorsRecord(2, tuple(reversed(seats(4))))
    found = signing_set(record)
    assert [member.identity.hex() for member in found.members] == [member.identity for member in seats(4)]
    assert found.epoch == 2
    assert arranged(record.members) == seats(4)


@pytest.mark.parametrize("endpoint", ["node-1.example.org:7051", "10.0.0.1:1", "[::1]:65535", "localhost:7000"])
def test_an_endpoint_is_a_host_and_a_port(endpoint: str) -> None:
    """Names, addresses of both kinds."""
    require_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint", ["", "host", "host:", ":7000", "host:0", "host:65536", "a b:1", "h:1\n", "h" * 255 + ":1"]
)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    """Nobody could dial it."""
    with pytest.raises(BadArguments, match="host:port"):
        require_endpoint(endpoint)
