"""What a play came to: energy, money, trades, loss, tokens, blocks; and whether all of it adds up.

Three things are held against one another: what the ledger says, what the devices know, and what was true on the wires.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from devices.living.play import Play
from devices.living.units import INTERVAL_MS, MINOR_PER_CENT, NWH_PER_MWH


class Closing(msgspec.Struct):
    """What is asked of the ledger while its nodes still run."""

    feeders: list[dict[str, Any]]
    money: list[dict[str, Any]]
    disagreements: list[str]


async def closing(play: Play) -> Closing:
    """Ask for each feeder's sum, each wallet's money, and whatever ledger and devices do not agree on."""
    people, place = play.place.people, play.place
    operator = place.operator
    over_ms = play.time.over_ms
    feeders = []
    for feeder in play.scenario.feeders:
        if feeder.rating_va and over_ms > play.time.starts_ms:
            span = {"from_ms": max(play.time.starts_ms, over_ms - 96 * INTERVAL_MS), "until_ms": over_ms}
            found = await people.ask(operator, "feeder", "summary", feeder=f"north:{feeder.name}", **span)
            feeders.append({"feeder": feeder.name, **found})
    money = []
    for one in play.houses.values():
        wallet = place.wallet(one.name)
        found = await people.ask(wallet, "currency", "balance", account=wallet.id)
        begun = one.house.purse_cents * MINOR_PER_CENT
        money.append(
            {
                "house": one.name,
                "begun_minor": begun,
                "available_minor": found["available_minor"],
                "escrow_minor": found["escrow_minor"],
            }
        )
    return Closing(feeders, money, [line async for line in _disagreements(play)])


async def _disagreements(play: Play) -> AsyncIterator[str]:
    people, place = play.place.people, play.place
    operator = place.operator
    for one in play.houses.values():
        assert one.shown is not None
        meter = place.meter(one.name)
        head = await people.ask(operator, "metering", "head", meter=meter.id)
        there = (head["last"]["import_mwh"], head["last"]["export_mwh"])
        here = (one.shown.import_nwh // NWH_PER_MWH, one.shown.export_nwh // NWH_PER_MWH)
        if there != here and play.time.is_reading:
            yield f"the meter of {one.name} shows {here} mWh, the ledger knows {there}"
        if one.is_prepaid:
            found = await people.ask(operator, "prepaid", "account", point=place.point(one.name))
            credit = one.meter.shell.meter.state.credit
            if found["account"]["credited_mwh"] != credit.credited_mwh:
                yield (
                    f"the meter of {one.name} took tokens of {credit.credited_mwh} mWh, "
                    f"the ledger knows {found['account']['credited_mwh']}"
                )
    for start_ms in range(play.time.starts_ms, play.time.over_ms, INTERVAL_MS):
        asked = {"area": place.area, "interval_ms": start_ms}
        found = await people.ask(operator, "settlement", "reconcile", **asked)
        if found is not None and not found["agrees"]:
            yield f"the interval of {start_ms} does not add up"


def document(play: Play, closed: Closing | None, audit: dict[str, Any] | None) -> dict[str, Any]:
    """Everything, for `--json`."""
    figures, scenario = play.figures, play.scenario
    truths = [street.truth for street in play.streets]
    traded = [trade for trade in figures.trades.values() if trade.delivered_mwh is not None]
    total = {
        name: sum(getattr(interval, name) for interval in figures.intervals)
        for name in ("trade_in_mwh", "pool_in_mwh", "trade_out_mwh", "pool_out_mwh", "moved_minor")
    }
    imported = sum(one.shown.import_nwh for one in play.houses.values() if one.shown) // NWH_PER_MWH
    exported = sum(one.shown.export_nwh for one in play.houses.values() if one.shown) // NWH_PER_MWH
    seconds = max(play.played_s, 0.001)
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "engine": scenario.engine,
        "validators": len(play.nodes.network.nodes),
        "clock": "simulated",
        "minutes": play.time.played_minutes,
        "pace_asked": play.pace,
        "pace": round(play.time.played_minutes * 60 / seconds, 1),
        "founded_s": round(play.founded_s, 1),
        "played_s": round(play.played_s, 1),
        "ledger": {
            "height": figures.height,
            "transactions": figures.transactions,
            "timers": figures.timers,
            "readings": figures.readings,
            "rate_per_s": round(figures.transactions / seconds, 1),
            "refused": figures.refused,
        },
        "reading_to_ledger_s": {
            "p50": round(play.latencies.part(0.5), 3),
            "p95": round(play.latencies.part(0.95), 3),
            "most": round(play.latencies.part(1.0), 3),
        },
        "energy": {
            "import_mwh": imported,
            "export_mwh": exported,
            **{name: total[name] for name in ("trade_in_mwh", "pool_in_mwh", "trade_out_mwh", "pool_out_mwh")},
        },
        "truth": {
            "consumed_nwh": sum(truth.consumed_nwh for truth in truths),
            "generated_nwh": sum(truth.generated_nwh for truth in truths),
            "heat_nwh": sum(truth.heat_nwh for truth in truths),
            "stolen_nwh": sum(truth.stolen_nwh for truth in truths),
            "uncounted_nwh": sum(truth.uncounted_nwh for truth in truths),
            "shed_nwh": sum(truth.shed_nwh for truth in truths),
            "imbalance_nwh": sum(street.imbalance_nwh() for street in play.streets),
        },
        "feeders": closed.feeders if closed else [],
        "trades": {
            "agreed": len(figures.trades),
            "over": len(traded),
            "agreed_wh": sum(trade.energy_wh for trade in figures.trades.values()),
            "delivered_mwh": sum(trade.delivered_mwh or 0 for trade in traded),
            "orders": figures.orders,
            "commands": figures.commands,
            "acknowledged": figures.acknowledged,
            "timed_out": figures.timed_out,
            "heard": len(figures.heard),
        },
        "tokens": {
            "bought": figures.tokens_bought,
            "returned": figures.tokens_returned,
            "redeemed": figures.tokens_redeemed,
            "redeemed_mwh": figures.units_redeemed_mwh,
            "shares": figures.shares,
            "shared_mwh": figures.shared_mwh,
        },
        "alerts": {f"{feeder} {kind}": opened for (feeder, kind), opened in sorted(figures.alerts.items())},
        "moved_minor": total["moved_minor"],
        "money": closed.money if closed else [],
        "disagreements": closed.disagreements if closed else [],
        "problems": play.problems,
        "audit": audit,
    }
