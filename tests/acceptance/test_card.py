"""The card: Python chaincode for billing, bidding and settlement, on one running ledger from the reading to the
invoice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.community import ENERGY, FEED_IN_MICRO, LEVY_MICRO, LIMIT_S, RETAIL_MICRO, Community, kwh
from tests.acceptance.trading import cost_minor
from tests.acceptance.whole_town import POOL_PRICE_MICRO, WholeTown

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_c6_one_kwh_goes_from_the_reading_to_the_invoice(town: WholeTown) -> None:
    """C6: bidding, settlement and billing are contracts in Python; each kWh is classed once, and paid once."""
    street = town.street
    assert {trade["price_micro"] for trade in town.trades} == {150_000}  # between 0.10 and 0.20
    row = street.row
    assert row(town.delivered_ms, town.selling) == [0, 0, 0, 3, 1.5, 0.5]
    assert row(town.delivered_ms, town.buying) == [2, 0, 1, 0, 0, 0]
    assert row(town.delivered_ms, town.prepaying) == [1, 0, 1, 0, 0, 0]
    assert row(town.delivered_ms, town.sharing) == [0, 1.5, 0, 0, 0, 0]

    grid_kwh = 1 + 0.1 * town.quiet_intervals
    lines = {f"{line['kind']} {line['name']}": line for line in town.invoices[town.buying.name]["invoice"]["lines"]}
    assert lines["listed trade import"]["quantity"] == kwh(2)
    assert lines["listed trade import"]["amount_minor"] == 0
    assert lines["import all"]["quantity"] == kwh(grid_kwh)
    assert lines["import all"]["amount_minor"] == round(grid_kwh * RETAIL_MICRO / 100)
    assert lines["levy green"]["amount_minor"] == round(grid_kwh * LEVY_MICRO / 100)
    prepaid = town.invoices[town.prepaying.name]["invoice"]
    assert {line["amount_minor"] for line in prepaid["lines"]} == {0}

    # the prepaid meter took 2 kWh; of these one was a neighbour's, and came back as units
    assert town.returned["energy_mwh"] == kwh(1)
    account = town.community.ask(town.prepaying.wallet, "prepaid", "account", point=town.prepaying.point)["account"]
    assert account["balance_mwh"] == town.prepaying.balance_mwh == kwh(13.5 - 2 + 1)


def test_c6_all_money_of_it_is_where_it_belongs(town: WholeTown) -> None:
    """C6: what buyers paid is what sellers, taxes, levies and the treasury have; feed-in is paid out."""
    community = town.community
    gained = {house.name: sum(community.money(house.wallet)) - town.before[house.name] for house in town.street.houses}
    bill = town.invoices[town.buying.name]["invoice"]
    assert gained[town.buying.name] == -cost_minor(2_000, 15) - bill["total_minor"]
    pooled_minor = 1_500 * POOL_PRICE_MICRO // 100_000
    assert town.paid_out_minor == FEED_IN_MICRO // 200  # half a kWh
    assert gained[town.selling.name] == 3 * 1_500 + pooled_minor + town.paid_out_minor
    assert community.ask(community.regulator, "currency", "book")["supply_minor"] == sum(
        sum(community.money(who)) for who in community.members if who.role != "meter"
    )


def test_c6_every_organisation_approved_what_runs(community: Community) -> None:
    """C6: the code that answers is that of the source tree, by its hash."""
    running = {one["name"]: one["versions"][-1] for one in community.ask(community.stranger, "lifecycle", "list")}
    assert {name: running[name]["package_hash"] for name in ENERGY} == community.hashes


def test_an_audit_of_a_node_holds(town: WholeTown) -> None:
    """What contracts keep adds up, summed anew from a node's own database by `ledgernode audit`."""
    node = town.community.network.nodes[3]
    node.terminate()
    try:
        command = [sys.executable, "-m", "ledgernode.cli", "audit", str(node.home), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        node.start()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["holds"]
    assert any(finding["law"].startswith("currency") for finding in found["findings"])
    town.community.network.wait_for_equal_heads(LIMIT_S)


def test_the_other_engine_answers_the_same_calls_alike(
    town: WholeTown, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same ordered calls have the same receipts on every engine: code, result and events of every call and timer.

    Each engine leaves its transcript; whichever comes second is compared with the first.
    """
    mine = json.loads(json.dumps(town.transcript()))
    assert len(mine["calls"]) > 150
    folder = shared(tmp_path_factory)
    (folder / f"transcript-{town.community.engine}.json").write_text(json.dumps(mine))
    for path in folder.glob("transcript-*.json"):
        theirs = json.loads(path.read_text())
        assert len(mine["calls"]) == len(theirs["calls"]), path.name
        for call, other in zip(mine["calls"], theirs["calls"], strict=True):
            assert call == other, path.name
        assert mine["timers"] == theirs["timers"], path.name


def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that all its workers have."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "transcripts"
    folder.mkdir(exist_ok=True)
    return folder
