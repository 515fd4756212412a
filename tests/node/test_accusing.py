"""A fault that was noticed is brought to the ledger, once, and nothing waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from ledgernode.errors import LedgerError, MempoolFull, RevokedSigner
from ledgernode.execution.system.evidence import RECORDED_PER_EPOCH
from ledgernode.execution.values import decode_value
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import faults_of_state
from ledgernode.node import accusing
from ledgernode.node.accusing import Accuser
from ledgernode.node.ledger import ServedLedger
from ledgernode.store.state import value_of
from ledgernode.wire.answers import Outcome, Stage, Wait
from ledgernode.wire.frames import HeaderVote
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import Epoch, Height, TransactionId, identity_id
from ledgernode.wire.validators import Validator, ValidatorSet, vote_bytes
from ledgernode.wire.voting import Contradiction, SignedVote
from tests.node.conftest import House

ONE, TWO = b"\x01" * 32, b"\x02" * 32


def vote(served: ServedLedger, key: PrivateKey, choice: bytes, height: int = 40) -> SignedVote:
    message = vote_bytes(served.chain.chain_id, Epoch(0), Height(height), choice)
    return SignedVote(message, key.sign(message))


def contradiction(served: ServedLedger, key: PrivateKey, height: int = 40) -> Contradiction:
    return Contradiction(vote(served, key, ONE, height), vote(served, key, TWO, height))


def say(served: ServedLedger, key: PrivateKey, choice: bytes, height: int = 40) -> None:
    """As a peer's link would bring it."""
    signature = vote(served, key, choice, height).signature
    served.heard(key.public_key, HeaderVote(Epoch(0), Height(height), choice, signature))


def recorded(served: ServedLedger) -> int:
    """How many faults of this node's own validator stand on the ledger."""
    identity = identity_id(served.endorsement.public_key).hex()
    with served.chain.state() as state:
        stored = state.get(faults_of_state(identity))
    return 0 if stored is None else int(decode_value(value_of(stored)))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  # nothing tells when a record stands
            await asyncio.sleep(0.01)


async def test_a_member_that_votes_twice_is_recorded_by_who_noticed(house: House, served: ServedLedger) -> None:
    """From two votes of a link to the ledger's own record, signed by this node's validator; once."""
    say(served, house.key, ONE)
    await asyncio.sleep(0)
    assert not served.accuser.noticed
    say(served, house.key, TWO)
    await until(lambda: recorded(served) == 1 and served.chain.head.height > 0)  # the state shows it first
    height = served.chain.head.height
    say(served, house.key, TWO)
    say(served, house.key, b"\x03" * 32)
    await served.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20)
    assert served.chain.head.height == height + 1
    assert served.accuser.noticed == {house.key.public_key: 1}
    (raw,) = served.chain.envelopes(Height(height))
    body = parse_transaction(raw).body
    assert (body.contract, body.function, body.creator) == ("evidence", "report", identity_id(house.key.public_key))
    (shown,) = served.status().validators
    assert (shown.contradictions, shown.faults) == (1, 1)


async def test_after_a_restart_what_stands_on_the_ledger_is_not_reported_again(
    house: House, served: ServedLedger
) -> None:
    """The fault is noticed again, and no transaction follows."""
    for choice in (ONE, TWO):
        say(served, house.key, choice)
    await until(lambda: recorded(served) == 1)
    await served.stop()
    house.close()
    again = house.open()
    again.start()
    height = (await again.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20)).height
    for choice in (ONE, TWO):
        say(again, house.key, choice)
    await until(lambda: bool(again.accuser.noticed) and not again.accuser._waiting)
    await again.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20)
    assert again.chain.head.height == height + 1
    (shown,) = again.status().validators
    assert (shown.contradictions, shown.faults) == (1, 1)
    await again.stop()


async def test_late_votes_are_compared_too(house: House, served: ServedLedger) -> None:
    """A block stands, and a member that signed it signs another."""
    done = await served.submissions.submit(house.remark().envelope, Wait.COMMITTED, 20)
    say(served, house.key, ONE, done.height)
    await until(lambda: recorded(served) == 1)


# ---------------------------------------------------------------- the reporter alone


class Doorway:
    """Answers with what the test has laid out, and keeps what was brought."""

    def __init__(self, *answers: LedgerError | Outcome) -> None:
        self.answers = list(answers)
        self.brought: list[bytes] = []

    async def __call__(self, raw: bytes) -> Outcome:
        self.brought.append(raw)
        answer = self.answers.pop(0)
        if isinstance(answer, LedgerError):
            raise answer
        return answer


def outcome(code: str = "OK") -> Outcome:
    return Outcome(TransactionId(bytes(32)), Stage.COMMITTED, code)


def accuser(house: House, served: ServedLedger, submit: Callable[[bytes], Awaitable[Outcome]]) -> Accuser:
    return Accuser(
        chain=served.chain,
        key=house.key,
        validators=lambda: served.endorsement.validators,
        parameters=lambda: served.head.parameters,
        submit=submit,
        clock_ms=house.clock,
        log=served.log,
    )


async def run_until(reporter: Accuser, holds: Callable[[], bool]) -> None:
    running = asyncio.create_task(reporter.run())
    try:
        await until(lambda: holds() or running.done())
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def liar(standing: ServedLedger) -> tuple[PrivateKey, Validator]:
    key = PrivateKey.generate()
    return key, Validator(identity_id(key.public_key), "south", key.public_key)


async def test_what_could_not_be_brought_is_tried_again_with_a_fresh_transaction(
    house: House, standing: ServedLedger, liar: tuple[PrivateKey, Validator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full mempool is no answer; a refusal by the contract is one."""
    monkeypatch.setattr(accusing, "REPORT_PAUSE_MS", 1)
    door = Doorway(MempoolFull("full"), MempoolFull("full"), outcome("evidence.ENOUGH_RECORDED"), outcome())
    reporter = accuser(house, standing, door)
    reporter.notice(liar[1], contradiction(standing, liar[0]))
    await run_until(reporter, lambda: len(door.brought) == 3 and not reporter._waiting)
    assert len({parse_transaction(raw).id for raw in door.brought}) == 3
    assert len(door.answers) == 1


async def test_tries_are_bounded(
    house: House, standing: ServedLedger, liar: tuple[PrivateKey, Validator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reporter that nobody hears gives up, and goes on with the next fault."""
    monkeypatch.setattr(accusing, "REPORT_PAUSE_MS", 1)
    monkeypatch.setattr(accusing, "REPORT_PAUSE_LIMIT_MS", 1)
    monkeypatch.setattr(accusing, "REPORT_TRIES", 3)
    door = Doorway(*[RevokedSigner("revoked")] * 3, outcome())
    reporter = accuser(house, standing, door)
    for height in (40, 41):
        reporter.notice(liar[1], contradiction(standing, liar[0], height))
    await run_until(reporter, lambda: not door.answers)
    heights = [msgspec.json.decode(parse_transaction(raw).body.arguments)["first"] for raw in door.brought]
    assert heights[0] == heights[2] != heights[3]


async def test_a_liar_does_not_fill_the_queue(
    house: House, standing: ServedLedger, liar: tuple[PrivateKey, Validator]
) -> None:
    """As many faults of a member in an epoch as the ledger records, each once."""
    reporter = accuser(house, standing, Doorway())
    for height in range(2 * RECORDED_PER_EPOCH):
        for _ in range(2):
            reporter.notice(liar[1], contradiction(standing, liar[0], height))
    assert len(reporter._waiting) == reporter.noticed[liar[1].public_key] == RECORDED_PER_EPOCH


async def test_who_has_no_seat_reports_nothing(
    house: House, standing: ServedLedger, liar: tuple[PrivateKey, Validator]
) -> None:
    """Its signature would be nobody's."""
    door = Doorway()
    reporter = accuser(house, standing, door)
    standing.endorsement.validators = ValidatorSet.of(Epoch(0), [liar[1]])
    reporter.notice(liar[1], contradiction(standing, liar[0]))
    await run_until(reporter, lambda: not reporter._waiting)
    assert door.brought == []


def test_members_report_in_turn_beginning_after_the_accused(house: House, standing: ServedLedger) -> None:
    """So that mostly one report is made; the accused itself comes last."""
    keys = [house.key, *(PrivateKey.generate() for _ in range(3))]
    members = [Validator(identity_id(key.public_key), "north", key.public_key) for key in keys]
    validators = ValidatorSet.of(Epoch(0), members)
    of_position = {member.public_key: at for at, member in enumerate(validators.members)}
    key_of = {key.public_key: key for key in keys}
    for accused in validators.members:
        turns = {}
        for member in validators.members:
            reporter = accuser(house, standing, Doorway())
            reporter._key = key_of[member.public_key]
            reporter._validators = lambda: validators
            report = accusing._Report(bytes(32), accused, contradiction(standing, house.key))
            turns[(of_position[member.public_key] - of_position[accused.public_key]) % 4] = reporter._turn_ms(report)
        assert [turns[at] for at in (1, 2, 3, 0)] == [0, 1_000, 2_000, 3_000]
