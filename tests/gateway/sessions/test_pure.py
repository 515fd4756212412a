"""Challenges are answered once, tickets end: whatever the order of what happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sessions import challenges as doors
from gateway.sessions import tickets as held
from gateway.sessions.challenges import Challenge, Challenges, entry_message
from gateway.sessions.tickets import Person, Tickets
from ledgernode.errors import ChallengeUnknown, RateLimited, TicketInvalid
from ledgernode.identity.records import Role
from ledgernode.wire.types import ChainId

CHAIN = ChainId(bytes(range(32)))
ANNA, OTTO = (Person(name * 32, "north", Role.CUSTOMER) for name in ("aa", "bb"))


def nonce(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_challenge_is_answered_once_and_in_time() -> None:
    open_ones = Challenges()
    for number in (1, 2, 3):
        open_ones.ask(nonce(number), now_ms=number)
    assert open_ones.take(nonce(2), now_ms=10) == Challenge(nonce(2), 2 + doors.LIFE_MS)
    for gone, now_ms in ((nonce(2), 11), (nonce(9), 11), (nonce(1), 1 + doors.LIFE_MS)):
        with pytest.raises(ChallengeUnknown):
            open_ones.take(gone, now_ms)
    assert open_ones.take(nonce(3), now_ms=2 + doors.LIFE_MS)


def test_too_many_open_challenges_are_refused_until_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "_OPEN", 3)
    open_ones = Challenges()
    for number in range(3):
        open_ones.ask(nonce(number), now_ms=0)
    with pytest.raises(RateLimited):
        open_ones.ask(nonce(3), now_ms=doors.LIFE_MS - 1)
    open_ones.ask(nonce(3), now_ms=doors.LIFE_MS)


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40), st.binary(min_size=32, max_size=32))
def test_what_is_signed_names_ledger_origin_and_challenge(one: str, other: str, value: bytes) -> None:
    message = entry_message(CHAIN, one, Challenge(value, 7))
    assert message.startswith(b"ledgernode/entry/1\0" + CHAIN)
    assert (message == entry_message(CHAIN, other, Challenge(value, 7))) == (one == other)
    assert message != entry_message(ChainId(bytes(32)), one, Challenge(value, 7))
    assert message != entry_message(CHAIN, one, Challenge(value, 8))


def test_a_ticket_is_good_while_it_is_used_and_no_longer_than_half_a_day() -> None:
    tickets = Tickets()
    ticket, now_ms = tickets.give(ANNA, nonce(1), 0), 0
    while now_ms + held.IDLE_MS - 1 < held.LIFE_MS:
        now_ms += held.IDLE_MS - 1
        assert tickets.whose(ticket, now_ms) == ANNA
    with pytest.raises(TicketInvalid):
        tickets.whose(ticket, held.LIFE_MS)
    other = tickets.give(ANNA, nonce(2), 0)
    with pytest.raises(TicketInvalid):
        tickets.whose(other, held.IDLE_MS)


def test_leaving_ends_one_or_all_of_a_person_and_nobody_elses() -> None:
    tickets = Tickets()
    mine, also_mine, others = (tickets.give(one, nonce(n), 0) for n, one in enumerate((ANNA, ANNA, OTTO)))
    tickets.end(mine)
    assert tickets.whose(also_mine, 1) == ANNA
    tickets.end_all(ANNA.identity)
    for gone in (mine, also_mine):
        with pytest.raises(TicketInvalid):
            tickets.whose(gone, 1)
    assert tickets.whose(others, 1) == OTTO


def test_a_person_has_ten_tickets_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = Tickets()
    others = tickets.give(OTTO, nonce(99), 0)
    mine = [tickets.give(ANNA, nonce(number), number) for number in range(12)]
    for gone in mine[:2]:
        with pytest.raises(TicketInvalid):
            tickets.whose(gone, 20)
    assert all(tickets.whose(ticket, 20) == ANNA for ticket in mine[2:])
    assert tickets.whose(others, 20) == OTTO
    monkeypatch.setattr(held, "_ALL", 11)
    tickets.give(Person("cc" * 32, "south", Role.OPERATOR), nonce(50), 21)
    assert len(tickets) == 11


def test_what_is_kept_is_no_ticket() -> None:
    """Who reads the memory of the server has hashes."""
    tickets = Tickets()
    ticket = tickets.give(ANNA, nonce(5), 0)
    assert ticket.encode() not in repr(vars(tickets)).encode()
    assert len(ticket) == 43
