"""What a ledger counts of its own work."""

from __future__ import annotations

import pytest

from ledgernode.config import LATENCIES_WATCHED
from ledgernode.errors import LedgerError
from ledgernode.node.clocks import Clocks, Skew, skew
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.measures import Measures
from ledgernode.node.waiting import Inbox
from ledgernode.observe.turning import Turning
from ledgernode.services.metrics import FIGURES, NodeFigures
from ledgernode.wire.answers import Wait
from ledgernode.wire.types import TransactionId, sha256
from tests.node.conftest import House


def named(number: int) -> TransactionId:
    return TransactionId(sha256(number.to_bytes(4, "big")))


class Steady:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_way_to_the_certificate_is_timed_once() -> None:
    """From the first time that it came; a block without it tells nothing."""
    steady = Steady()
    measures = Measures(steady)
    measures.came(named(1))
    steady.now_s += 2
    measures.came(named(1))
    measures.certified([None, named(2)])
    assert measures.submit_commit_s.count == 0
    steady.now_s += 1
    measures.certified([named(1), named(2), None])
    measures.certified([named(1)])
    assert (measures.submit_commit_s.count, measures.submit_commit_s.sum) == (1, 3)


def test_what_never_comes_to_a_block_is_forgotten() -> None:
    """The oldest first, beyond a bound."""
    measures = Measures(Steady())
    for number in range(LATENCIES_WATCHED + 5):
        measures.came(named(number))
    measures.certified([named(number) for number in range(LATENCIES_WATCHED + 5)])
    assert measures.submit_commit_s.count == LATENCIES_WATCHED


async def test_a_ledger_counts_what_it_does(house: House, served: ServedLedger) -> None:
    """A stream of five that hold and one that does not: one block or more, each result and refusal by its code."""
    inbox, transactions = Inbox(), [house.remark(str(number)) for number in range(5)]
    raw = [one.envelope for one in transactions]
    await served.submissions.submit_many([*raw, raw[0][:-1] + bytes([raw[0][-1] ^ 1])], Wait.COMMITTED, inbox)
    told = []
    while len(told) < 6:
        told += await inbox.take()
    measures = served.measures
    assert served.executor.results.total() == 5
    assert measures.block_transactions.sum == 5
    assert measures.execution_s.count == measures.block_transactions.count == served.driver.executed
    assert measures.write_s.count >= 1
    assert measures.submit_commit_s.count == 1
    assert measures.refused.total() == 1


async def test_a_node_shows_all_its_figures(house: House, served: ServedLedger) -> None:
    """Those of a solo ledger: not what other engines, other validators and a sync would add."""
    with pytest.raises(LedgerError):
        await served.submissions.submit(b"nothing", Wait.ADMITTED, 1)
    sheet = NodeFigures({served.name: served}, house.network.home, Turning()).sheet({served.name: True})
    shown = {family.name for family in sheet.collect()}
    missing = {figure.name for figure in FIGURES if figure.name.removesuffix("_total") not in shown}
    assert {name for name in missing if not name.startswith("ledgernode_peer_")} <= {
        "ledgernode_view",
        "ledgernode_view_changes_total",
        "ledgernode_branch_height",
        "ledgernode_block_hashes",
        "ledgernode_order_log_height",
        "ledgernode_order_log_read",
        "ledgernode_order_log_unseen_batches",
        "ledgernode_order_log_messages_total",
        "ledgernode_sync_chunks",
        "ledgernode_sync_chunks_needed",
        "ledgernode_sync_idle_seconds",
        "ledgernode_transactions_total",
        "ledgernode_grpc_calls_total",
        "ledgernode_log_lines_total",
        "ledgernode_trace_spans_total",
    }


# ---------------------------------------------------------------- clocks


@pytest.mark.parametrize(
    ("sent", "theirs", "answered", "found"),
    [
        (1_000, 1_005, 1_010, Skew(0, 5)),
        (1_000, 3_005, 1_010, Skew(2_000, 5)),
        (1_000, 505, 1_010, Skew(-500, 5)),
        (1_000, 0, 1_010, None),
        (1_000, 1_000, 900, None),
    ],
    ids=["alike", "ahead", "behind", "tells no time", "our clock was set"],
)
def test_an_answer_tells_of_a_clock_what_it_can(sent: int, theirs: int, answered: int, found: Skew | None) -> None:
    """The middle of its way, give or take the half."""
    assert skew(sent, theirs, answered) == found


def test_what_lies_within_the_doubt_says_nothing() -> None:
    """A slow answer accuses nobody."""
    assert Skew(400, 500).surely_ms == 0
    assert Skew(-2_000, 500).surely_ms == 1_500


async def test_who_does_not_answer_is_forgotten() -> None:
    """Nothing is known of its clock now."""
    answers: dict[bytes, int | None] = {b"a": 5_000, b"b": 1_000}

    async def time_of(key: bytes) -> int | None:
        return answers[key]

    clocks = Clocks(lambda: list(answers), time_of, lambda: 1_000)
    await clocks.look()
    assert clocks.found == {b"a": Skew(4_000, 0), b"b": Skew(0, 0)}
    answers[b"a"] = None
    await clocks.look()
    assert clocks.found == {b"b": Skew(0, 0)}
