"""Two versions of the rules on one ledger: the second from a height on, replayed alike, and never by who lacks it."""

from __future__ import annotations

from functools import cache

import pytest

from ledgernode.errors import BadGenesis, UpgradeNeeded
from ledgernode.execution.block import Executor, require_known
from ledgernode.identity.records import ExecutionRecord
from ledgernode.node.readiness import too_old_for, what_to_say
from ledgernode.testing import Committed, TestLedger
from ledgernode.verification import verify_chain
from ledgernode.wire import versions
from ledgernode.wire.block import Batch
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import Height, TimeMs

FORMER = versions.DUPLICATES_PLACED - 1
STANDS = "a transaction with this id is in the chain: its receipt stands"


def again(ledger: TestLedger) -> tuple[Committed, Committed]:
    """One transaction, included twice: what became of each."""
    signed = ledger.sign(ledger.admin(), "identity", "suspend", {"identity": "0" * 64, "reason": "x"})
    first, second = ledger.block(signed)[-1], ledger.block(signed)[-1]
    assert second.code == "TRANSACTION_DUPLICATE"
    return first, second


@cache
def moved() -> tuple[TestLedger, int]:
    """Founded under the former rules, moved on at a height; with second inclusions on both sides of it."""
    ledger = TestLedger(execution_version=FORMER, parameters=Parameters(set_change_window=1))
    again(ledger)
    ledger.submit(ledger.miner, "governance", "ready", version=FORMER + 1)
    height = ledger.height + 8
    proposal = ledger.submit(
        ledger.admin(), "governance", "propose", kind="execution", change={"version": FORMER + 1, "height": height}
    ).result
    ledger.submit(ledger.admin("regulator"), "governance", "approve", proposal=proposal)
    while ledger.height < height - 2:
        ledger.block()
    again(ledger)
    again(ledger)
    return ledger, height


def messages(ledger: TestLedger) -> dict[int, str]:
    """Of each block that holds a second inclusion, what its receipt says."""
    from ledgernode.wire.receipt import parse_receipt

    found = {}
    for height in range(1, ledger.height + 1):
        for raw in ledger.chain.receipts(Height(height)):
            receipt = parse_receipt(raw)
            if receipt.code == "TRANSACTION_DUPLICATE":
                found[height] = receipt.message
    return found


def test_the_second_inclusion_says_where_the_first_stands_from_the_height_on() -> None:
    """The block before it is as ever; the block itself has the new rules."""
    ledger, height = moved()
    found = messages(ledger)
    assert found[2] == STANDS
    assert found[height] == f"{STANDS} in block {height - 1} at 0"
    assert found[height + 2] == f"{STANDS} in block {height + 1} at 0"


def test_within_one_block_too() -> None:
    """And of those that are refused for ever."""
    ledger = TestLedger()
    signed = ledger.sign(ledger.admin(), "identity", "suspend", {"identity": "0" * 64, "reason": "x"})
    *_, second = ledger.block(
        ledger.sign(ledger.admin(), "identity", "suspend", {"identity": "1" * 64, "reason": "x"}), signed, signed
    )
    assert second.message == f"{STANDS} in block {ledger.height} at 1"


def test_a_ledger_with_both_rules_is_replayed_to_the_same_blocks() -> None:
    """Whoever verifies it later executes each block by the rules of its height."""
    ledger, _ = moved()
    assert verify_chain(ledger.chain, ledger.genesis_bytes).re_executed


def test_a_program_without_the_rules_stops_before_the_height(monkeypatch: pytest.MonkeyPatch) -> None:
    """It executes every block below, none from there on, and says what to do; it never gives another result."""
    ledger, height = moved()
    monkeypatch.setattr(versions, "EXECUTION_NEWEST", FORMER)
    with pytest.raises(
        Exception, match=f"block {height} is executed by version {FORMER + 1}.*install a newer"
    ) as found:
        verify_chain(ledger.chain, ledger.genesis_bytes)
    assert found.value.facts["height"] == height
    head = ledger.chain.head
    with pytest.raises(UpgradeNeeded):
        Executor(ledger.chain).execute(Batch(head.epoch, Height(head.height + 1), TimeMs(head.time_ms + 1), ()), [])


def test_rules_that_a_program_no_longer_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the genesis, and of a height."""
    monkeypatch.setattr(versions, "EXECUTION_OLDEST", FORMER + 1)
    with pytest.raises(BadGenesis, match=f"execution version {FORMER}"):
        TestLedger(execution_version=FORMER)
    with pytest.raises(UpgradeNeeded, match="install an older"):
        require_known(FORMER, Height(7))
    with pytest.raises(BadGenesis):
        TestLedger(execution_version=versions.EXECUTION_NEWEST + 1)


@pytest.mark.parametrize(
    ("in_force", "said", "newest", "wanted"),
    [
        (5, 0, 5, None),  # nothing new
        (4, 0, 5, 5),  # upgraded
        (4, 5, 5, None),  # and said so
        (4, 5, 4, 4),  # went back to the older program
        (4, 4, 5, 5),  # and forward again
        (5, 5, 5, None),  # the height has come
        (5, 4, 5, 5),  # it had gone back, and came with the others
        (6, 5, 5, None),  # it cannot go on, and stops
    ],
)
def test_a_validators_word_is_kept_true(in_force: int, said: int, newest: int, wanted: int | None) -> None:
    """Said once when it changes, and not at all while there is nothing to say."""
    assert what_to_say(in_force, said, newest) == wanted


def test_who_will_have_to_stop_is_told_before() -> None:
    """From the decision to the height."""
    decided = ExecutionRecord(4, 5, 100)
    assert too_old_for(decided, Height(99), 4)
    assert not too_old_for(decided, Height(99), 5)
    assert not too_old_for(decided, Height(100), 4)
    assert not too_old_for(ExecutionRecord(4), Height(1), 4)
    assert [decided.at(height) for height in (1, 99, 100, 101)] == [4, 4, 5, 5]
