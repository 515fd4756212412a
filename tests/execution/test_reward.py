"""The reward at the head of a mined block: who is paid, for what, and that nothing of it stops a block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledgernode.audit import audit
from ledgernode.audit.currency import Supply
from ledgernode.errors import DatabaseDamaged
from ledgernode.execution.block import Executor
from ledgernode.execution.reward import BUDGET, miner_of, reward_id, seat_of
from ledgernode.proof import build_transaction_proof, check_proof
from ledgernode.wire.block import Batch
from ledgernode.wire.parameters import MAX_SAFE_INTEGER
from ledgernode.wire.receipt import encode_receipt
from ledgernode.wire.types import Epoch, Height, TimeMs, identity_id
from ledgernode.wire.validators import Validator, ValidatorSet
from tests.mined import LIMIT_MINOR, REWARD_MINOR, MinedLedger, by_block

TICKING = '''"""Asks to be called, again and again."""

from chaincode.api import Context, Contract, transaction


class Ticking(Contract):
    name = "ticking"
    version = "1.0.0"

    @transaction
    def tick(self, ctx: Context) -> None:
        ctx.schedule("tick", ctx.time_ms + 1_000, "tick")
'''

# what stands under the name of the currency is what the organisations have approved, whatever it does
OTHER_CURRENCY = '''"""Not what blocks expect."""

from chaincode.api import Context, Contract, transaction


class Currency(Contract):
    name = "currency"
    version = "9.0.0"

    @transaction
    def transfer(self, ctx: Context, to: str, amount_minor: int) -> None:
        pass
{reward}
'''
REWARD = """
    @transaction(roles=("block",))
    def reward(self, ctx: Context, miner: str, amount_minor: int) -> int:
        {what}
"""
GUARDED = '''"""Has a function that only blocks call."""

from chaincode.api import Context, Contract, transaction


class Guarded(Contract):
    name = "guarded"
    version = "1.0.0"

    @transaction(roles=("block",))
    def open(self, ctx: Context) -> None:
        ctx.put("open", 1)
'''


@pytest.fixture
def ledger() -> MinedLedger:
    """What the issuer has allowed pays for three blocks, and not for four."""
    found = MinedLedger()
    found.pay(found.till, "allow_rewards", amount_minor=3 * REWARD_MINOR + 7)
    return found


def answered(done: Any) -> dict[str, Any]:
    found: dict[str, Any] = done.result
    return found


# ---------------------------------------------------------------- who is paid


def test_a_mined_block_pays_its_miner_first(ledger: MinedLedger) -> None:
    """A call at the head, with an id and a receipt of its own, that says who found the block."""
    supply = ledger.supply()
    paid, transferred = ledger.mine()
    assert (paid.code, by_block(paid), transferred.code) == ("OK", True, "OK")
    assert answered(paid) == {"amount_minor": REWARD_MINOR, "miner": ledger.miner.id}
    assert paid.receipt.id == reward_id(ledger.chain.chain_id, ledger.height)
    assert ledger.chain.locate(paid.receipt.id) == (ledger.height, 0)
    assert ledger.available(ledger.miner.id) == REWARD_MINOR
    assert ledger.supply() == supply + REWARD_MINOR
    assert [event.name for event in paid.events] == ["Minted"]
    assert paid.receipt.budget_used * 4 < BUDGET


def test_it_is_proven_like_a_transaction(ledger: MinedLedger) -> None:
    """By the genesis file alone: that this identity mined this block."""
    paid, _ = ledger.mine()
    proof = build_transaction_proof(ledger.chain, ledger.genesis_bytes, paid.receipt.id)
    checked = check_proof(proof, ledger.genesis_bytes)
    assert (checked.kind, checked.transaction, checked.receipt) == ("reward", None, paid.receipt)


def test_it_comes_before_timers_and_what_they_see(ledger: MinedLedger, tmp_path: Path) -> None:
    """Then timers, then transactions."""
    (tmp_path / "ticking.py").write_text(TICKING)
    ledger.deploy(tmp_path / "ticking.py")
    ledger.submit(ledger.anna, "ticking", "tick")
    ledger._time_ms += 2_000
    paid, ticked, transferred = ledger.mine()
    assert (by_block(paid), ticked.by_timer, transferred.code) == (True, True, "OK")


def test_a_block_without_transactions_pays_nothing(ledger: MinedLedger, tmp_path: Path) -> None:
    """Neither one that is mined for depth, nor one that is mined for a timer."""
    (tmp_path / "ticking.py").write_text(TICKING)
    ledger.deploy(tmp_path / "ticking.py")
    ledger.submit(ledger.anna, "ticking", "tick")
    supply = ledger.supply()
    assert ledger.block(miner=0) == ()
    ledger._time_ms += 2_000
    assert [done.by_timer for done in ledger.block(miner=0)] == [True]
    assert ledger.supply() == supply


@pytest.mark.parametrize("transaction", ["refused", "duplicate"])
def test_a_block_of_refused_transactions_pays(ledger: MinedLedger, transaction: str) -> None:
    """The miner has no say in what a transaction does; who sends it is named, and answers for it."""
    sent = ledger.transfer()
    if transaction == "duplicate":
        ledger.block(sent)
    else:
        sent = ledger.sign(ledger.anna, "currency", "mint", {"account": "x", "amount_minor": 1, "purpose": "p"})
    paid, other = ledger.mine(sent)
    assert (paid.code, other.succeeded) == ("OK", False)


def test_nobody_is_paid_where_nothing_is_mined_or_no_reward_was_founded(ledger: MinedLedger) -> None:
    """By other engines, and by proof of work without the option."""
    (done,) = ledger.block(ledger.transfer())
    assert not by_block(done)
    unpaid = MinedLedger(reward_minor=0)
    unpaid.pay(unpaid.till, "allow_rewards", amount_minor=1_000)
    (done,) = unpaid.mine()
    assert not by_block(done)


# ---------------------------------------------------------------- what the issuer allows


def test_blocks_mint_what_was_allowed_and_no_more(ledger: MinedLedger) -> None:
    """Whole rewards or none; the receipt names the miner all the same, and the rest of the block stands."""
    codes = [ledger.mine()[0].code for _ in range(4)]
    assert codes == ["OK", "OK", "OK", "currency.REWARDS_SPENT"]
    refused, transferred = ledger.mine()
    assert answered(refused) == {"amount_minor": 0, "miner": ledger.miner.id}
    assert (refused.events, transferred.code) == ((), "OK")
    assert ledger.available(ledger.miner.id) == 3 * REWARD_MINOR
    rewards = ledger.query(ledger.anna, "currency", "rewards")
    assert rewards == {"left_minor": 7, "minted_minor": 3 * REWARD_MINOR}
    ledger.pay(ledger.issuer, "allow_rewards", amount_minor=REWARD_MINOR - 7)
    assert ledger.mine()[0].code == "OK"


def test_nothing_is_minted_before_the_issuer_allows_it() -> None:
    """Founders alone cannot make another's money."""
    ledger = MinedLedger()
    assert ledger.mine()[0].code == "currency.REWARDS_SPENT"
    assert ledger.available(ledger.miner.id) == 0


def test_to_allow_takes_who_may_mint(ledger: MinedLedger) -> None:
    """Alone within the day's limit, mints and allowances together; above it a second person."""
    assert ledger.code(ledger.anna, "allow_rewards", amount_minor=1) == "currency.NOT_THE_ISSUER"
    assert ledger.code(ledger.admin("regulator"), "allow_rewards", amount_minor=1) == "currency.NOT_THE_ISSUER"
    assert ledger.code(ledger.till, "allow_rewards", amount_minor=0) == "currency.AMOUNT_OUT_OF_RANGE"
    assert ledger.code(ledger.till, "allow_rewards", amount_minor=LIMIT_MINOR) == "currency.SECOND_PERSON_NEEDED"
    large = {"kind": "rewards", "amount_minor": 5 * LIMIT_MINOR, "purpose": "a year of blocks"}
    assert ledger.code(ledger.till, "propose", account=ledger.anna.id, **large) == "currency.TEXT_OUT_OF_RANGE"
    issue = ledger.pay(ledger.till, "propose", account="", **large)
    assert ledger.code(ledger.till, "approve", issue=issue) == "currency.SAME_PERSON"
    allowed = ledger.pay(ledger.issuer, "approve", issue=issue)
    assert allowed["left_minor"] == 5 * LIMIT_MINOR + 3 * REWARD_MINOR + 7


def test_any_one_of_the_issuers_people_stops_it(ledger: MinedLedger) -> None:
    """What is minted stays."""
    ledger.mine()
    assert ledger.code(ledger.anna, "stop_rewards") == "currency.NOT_THE_ISSUER"
    assert ledger.pay(ledger.till, "stop_rewards") == {"left_minor": 0, "minted_minor": REWARD_MINOR}
    assert ledger.mine()[0].code == "currency.REWARDS_SPENT"
    assert ledger.available(ledger.miner.id) == REWARD_MINOR


def test_what_is_allowed_never_takes_the_supply_beyond_its_bound(ledger: MinedLedger) -> None:
    """2^53-1 minor units, with what blocks may still mint."""
    issue = {"kind": "rewards", "account": "", "amount_minor": MAX_SAFE_INTEGER, "purpose": "too much"}
    proposed = ledger.pay(ledger.till, "propose", **issue)
    assert ledger.code(ledger.issuer, "approve", issue=proposed) == "currency.AMOUNT_OUT_OF_RANGE"


def test_people_cannot_call_for_a_reward(ledger: MinedLedger) -> None:
    """Whatever their role."""
    for member in (ledger.anna, ledger.issuer, ledger.till):
        assert ledger.code(member, "reward", miner=member.id, amount_minor=1) == "ROLE_REFUSED"


def test_money_is_conserved(ledger: MinedLedger) -> None:
    """The audit sums rewards like any mint."""
    for _ in range(5):
        ledger.mine()
    (finding,) = audit(ledger.chain, laws=[Supply]).findings
    assert finding.sums["supply_minor"] == 1_000 + 3 * REWARD_MINOR
    assert finding.sums["issued_minor"] == finding.sums["supply_minor"] == finding.sums["available_minor"]


# ---------------------------------------------------------------- nothing of it stops a block


def test_without_a_currency_the_receipt_says_so(tmp_path: Path) -> None:
    """Founders may set a reward long before there is money."""
    (tmp_path / "ticking.py").write_text(TICKING)
    ledger = MinedLedger(deployed=False)
    ledger.deploy(tmp_path / "ticking.py")
    refused, done = ledger.mine(ledger.sign(ledger.anna, "ticking", "tick", {}))
    assert (refused.code, done.code) == ("CONTRACT_UNKNOWN", "OK")
    assert answered(refused) == {"amount_minor": 0, "miner": ledger.miner.id}


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("", "FUNCTION_UNKNOWN"),
        ("return 1 // 0", "CONTRACT_FAULT"),
        ("return sum([number for number in range(1_000_000)])", "BUDGET_EXCEEDED"),
        ('return ctx.call("guarded", "open")', "ROLE_REFUSED"),
    ],
)
def test_whatever_the_currency_does_the_block_stands(tmp_path: Path, what: str, code: str) -> None:
    """Old, broken, endless, or one that would use the block's name at another contract."""
    (tmp_path / "guarded.py").write_text(GUARDED)
    source = OTHER_CURRENCY.format(reward=REWARD.format(what=what) if what else "")
    (tmp_path / "currency.py").write_text(source)
    ledger = MinedLedger(deployed=False)
    for name in ("guarded", "currency"):
        ledger.deploy(tmp_path / f"{name}.py")
    refused, done = ledger.mine()
    assert (refused.code, done.code) == (code, "OK")
    assert answered(refused) == {"amount_minor": 0, "miner": ledger.miner.id}


def test_the_result_is_the_runtimes_whatever_the_contract_answers(tmp_path: Path) -> None:
    """A currency cannot name another miner than the block has."""
    (tmp_path / "currency.py").write_text(OTHER_CURRENCY.format(reward=REWARD.format(what="return 77")))
    ledger = MinedLedger(deployed=False)
    ledger.deploy(tmp_path / "currency.py")
    assert answered(ledger.mine()[0]) == {"amount_minor": REWARD_MINOR, "miner": ledger.miner.id}


# ---------------------------------------------------------------- learning the miner from the receipts


def test_whoever_reads_the_receipts_executes_the_same_block(ledger: MinedLedger) -> None:
    """And whoever takes nobody for its miner makes another one."""
    transaction = ledger.transfer()
    head = ledger.chain.head
    batch = Batch(head.epoch, Height(head.height + 1), TimeMs(head.time_ms + 5), (transaction.raw,), 0)
    mined = ledger._executor.execute(batch, [transaction])
    miner = seat_of(miner_of(mined.receipts), mined.current_set)
    learnt = msgspec.structs.replace(batch, miner=miner)
    assert Executor(ledger.chain).execute(learnt, [transaction]) == mined
    unknown = msgspec.structs.replace(batch, miner=None)
    assert Executor(ledger.chain).execute(unknown, [transaction]).header != mined.header


def test_a_miner_is_found_by_identity_in_the_set() -> None:
    """Positions are those of the epoch's set; who is not in it has none."""
    keys = [b"\x04" + bytes([n]) * 64 for n in range(4)]
    members = ValidatorSet.of(Epoch(0), [Validator(identity_id(key), f"org{n}", key) for n, key in enumerate(keys)])
    assert [seat_of(member.identity.hex(), members) for member in members.members] == [0, 1, 2, 3]
    assert seat_of("00" * 32, members) is None
    assert seat_of(None, members) is None


def test_receipts_without_a_reward_name_nobody(ledger: MinedLedger) -> None:
    """Of transactions, of timers, of an empty block."""
    assert miner_of(()) is None
    ledger.block(ledger.transfer())
    assert miner_of(ledger.chain.receipts(ledger.height)) is None


@pytest.mark.parametrize("result", [b"", b"null", b'{"amount_minor":1}', b'{"miner":7,"amount_minor":1}', b"\xff"])
def test_a_reward_that_cannot_be_read_is_refused(ledger: MinedLedger, result: bytes) -> None:
    """Nothing is guessed."""
    receipt = ledger.mine()[0].receipt
    with pytest.raises(DatabaseDamaged, match="reward"):
        miner_of([encode_receipt(msgspec.structs.replace(receipt, result=result))])
    with pytest.raises(DatabaseDamaged):
        miner_of([b"no receipt"])


def test_ids_differ_by_height_and_ledger() -> None:
    """One for each block of each ledger."""
    ids = {reward_id(chain, Height(height)) for chain in (b"a" * 32, b"b" * 32) for height in (1, 2, 256)}  # type: ignore[arg-type]
    assert len(ids) == 6
