"""Proposals are checked by the chunk, in the order asked for, by the limits of now or of a moment ago."""

from __future__ import annotations

from collections import deque

import msgspec
import pytest

from ledgernode.config import FORMER_LIMITS, VERIFY_CHUNK
from ledgernode.consensus.engine import Validate
from ledgernode.errors import BadSignature
from ledgernode.node import checking
from ledgernode.node.admission import Admission
from ledgernode.node.checking import Checker, Verdict
from ledgernode.node.mempool import Mempool
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import PUBLIC_KEY_BYTES
from tests.node.envelopes import CHAIN, envelope, transaction

LIMITS = Parameters()


class Desk:
    """A checker with what it leans on."""

    def __init__(self, limits: Parameters = LIMITS) -> None:
        self.limits = limits
        self.mempool = Mempool()
        self.admission = Admission(CHAIN, lambda: self.limits)
        self.checker = Checker(self.admission, self.mempool)
        self.now(limits)

    def now(self, limits: Parameters) -> None:
        self.limits = limits
        self.checker.limits_now(limits)

    def verdicts(self, *proposals: list[bytes]) -> list[bool]:
        """Of each, however many turns it takes."""
        for number, envelopes in enumerate(proposals):
            self.checker.ask(Validate(bytes([number]), tuple(envelopes)))
        found: list[Verdict] = []
        while self.checker:
            found += self.checker.go_on()
        assert [verdict.digest for verdict in found] == [bytes([number]) for number in range(len(proposals))]
        return [verdict.holds for verdict in found]


def envelopes(count: int, **options: int) -> list[bytes]:
    return [envelope(text=str(number), **options) for number in range(count)]


def forged() -> bytes:
    raw = envelope(text="forged")
    at = PUBLIC_KEY_BYTES  # in the signature
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def limited(**changes: int) -> Parameters:
    return msgspec.structs.replace(LIMITS, **changes)


def test_one_bad_envelope_refuses_its_proposal_and_no_other() -> None:
    """Each proposal has its own verdict, in the order they were asked for."""
    assert Desk().verdicts(envelopes(3), [*envelopes(2), forged()], [], envelopes(1)) == [True, False, True, True]
    with pytest.raises(BadSignature):
        Desk().checker.transaction(forged())


def test_a_turn_verifies_about_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proposal full of strangers takes several turns, between which others are served."""
    monkeypatch.setattr(checking, "VERIFY_CHUNK", 4)
    desk = Desk()
    desk.checker.ask(Validate(b"large", tuple(envelopes(10))))
    desk.checker.ask(Validate(b"small", tuple(envelopes(1))))
    said: deque[tuple[int, list[bytes]]] = deque()
    while desk.checker:
        before = desk.admission.verified
        verdicts = desk.checker.go_on()
        said.append((desk.admission.verified - before, [verdict.digest for verdict in verdicts]))
    assert said == deque([(4, []), (4, []), (3, [b"large", b"small"])])
    assert VERIFY_CHUNK > 4


def test_what_waits_here_is_not_verified_again() -> None:
    """Neither what the mempool holds, however much of it, nor what was checked a moment ago."""
    desk = Desk()
    waiting = [transaction(text=str(number)) for number in range(3 * VERIFY_CHUNK)]
    for one in waiting:
        desk.mempool.add(one)
    desk.checker.ask(Validate(b"known", tuple(one.raw for one in waiting)))
    assert desk.checker.go_on() == [Verdict(b"known", holds=True)]
    assert desk.admission.verified == 0
    assert desk.checker.agreed(waiting[0].raw) is waiting[0]
    decided = envelope(text="decided")
    assert desk.checker.agreed(decided) == parse_transaction(decided)


@pytest.mark.parametrize(
    ("limits", "fits", "exceeds"),
    [
        (limited(block_transactions=3), envelopes(3), envelopes(4)),
        (limited(block_bytes=3 * len(envelope(text="0"))), envelopes(3), envelopes(4)),
        (limited(block_budget=3_000), envelopes(3, budget=1_000), envelopes(4, budget=1_000)),
    ],
    ids=["count", "bytes", "budgets"],
)
def test_a_proposal_fits_a_block(limits: Parameters, fits: list[bytes], exceeds: list[bytes]) -> None:
    """By count, by bytes, and by the sum of what its transactions declare."""
    assert Desk(limits).verdicts(fits, exceeds) == [True, False]


def test_one_transaction_always_fits() -> None:
    """None may block the others for ever, because it is larger than a block was made."""
    tight = limited(block_transactions=1, block_bytes=1, block_budget=1)
    assert Desk(tight).verdicts(envelopes(1), envelopes(2)) == [True, False]


def test_limits_of_a_moment_ago_count_and_older_ones_do_not() -> None:
    """A proposal is on its way while a decision lowers them; so many blocks later it has arrived or never will."""
    desk = Desk(limited(block_transactions=4))
    for _ in range(FORMER_LIMITS - 1):
        desk.now(limited(block_transactions=2))
    assert desk.verdicts(envelopes(4), envelopes(5)) == [True, False]
    desk.now(limited(block_transactions=2))
    assert desk.verdicts(envelopes(4), envelopes(2)) == [False, True]


def test_a_proposal_keeps_what_was_counted_over_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets add up across chunks: cutting a proposal into turns makes no room."""
    monkeypatch.setattr(checking, "VERIFY_CHUNK", 2)
    assert Desk(limited(block_budget=5_000)).verdicts(envelopes(6, budget=1_000)) == [False]
    assert Desk(limited(block_budget=6_000)).verdicts(envelopes(6, budget=1_000)) == [True]
