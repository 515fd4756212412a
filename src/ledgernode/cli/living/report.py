"""What a play came to: energy, money, trades, loss, tokens, blocks; and whether all of it adds up.

Three things are held against one another: what the ledger says, what the devices know, and what was true on the wires.
Last, the ledger's own audit is run over the chain of a node that has stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ledgernode.cli.living.founding import INTERVAL_MS, MINOR_PER_CENT
from ledgernode.cli.living.play import Play
from ledgernode.cli.living.watching import MWH_PER_KWH
from ledgernode.cli.offline import opened_chain
from ledgernode.cli.output import counted, facts, table
from ledgernode.errors import LedgerError

_NWH_PER_MWH: Final = 1_000_000
_NWH_PER_KWH: Final = 1_000_000_000_000
_CENTS: Final = MINOR_PER_CENT * 100


class Closing(msgspec.Struct):
    """What is asked of the ledger while its nodes still run."""

    feeders: list[dict[str, Any]]
    money: list[dict[str, Any]]
    disagreements: list[str]


async def closing(play: Play) -> Closing:
    """Ask for each feeder's sum, each wallet's money, and whatever ledger and devices do not agree on."""
    people, place = play.people, play.place
    operator = place.operator
    over_ms = play.over_ms
    feeders = []
    for feeder in play.scenario.feeders:
        if feeder.rating_va and over_ms > play.starts_ms:
            span = {"from_ms": max(play.starts_ms, over_ms - 96 * INTERVAL_MS), "until_ms": over_ms}
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


async def _disagreements(play: Play) -> Any:
    people, place = play.people, play.place
    operator = place.operator
    for one in play.houses.values():
        assert one.shown is not None
        meter = place.meter(one.name)
        head = await people.ask(operator, "metering", "head", meter=meter.id)
        there = (head["last"]["import_mwh"], head["last"]["export_mwh"])
        here = (one.shown.import_nwh // _NWH_PER_MWH, one.shown.export_nwh // _NWH_PER_MWH)
        if there != here and play.read_all:
            yield f"the meter of {one.name} shows {here} mWh, the ledger knows {there}"
        if one.is_prepaid:
            found = await people.ask(operator, "prepaid", "account", point=place.point(one.name))
            credit = one.meter.shell.meter.state.credit
            if found["account"]["credited_mwh"] != credit.credited_mwh:
                yield (
                    f"the meter of {one.name} took tokens of {credit.credited_mwh} mWh, "
                    f"the ledger knows {found['account']['credited_mwh']}"
                )
    for start_ms in range(play.starts_ms, play.over_ms, INTERVAL_MS):
        asked = {"area": place.area, "interval_ms": start_ms}
        found = await people.ask(operator, "settlement", "reconcile", **asked)
        if found is not None and not found["agrees"]:
            yield f"the interval of {start_ms} does not add up"


def audited(play: Play) -> dict[str, Any]:
    """The audit of the first node's chain; its nodes must have stopped."""
    from ledgernode.audit import audit

    home = play.directory / play.nodes.network.nodes[0].home
    try:
        with opened_chain(home, None, None) as (chain, _):
            report = audit(chain)
    except LedgerError as refusal:
        return {"holds": False, "reason": str(refusal), "laws": []}
    return {
        "holds": True,
        "first": report.first,
        "last": report.last,
        "laws": [{"law": finding.law, "sums": finding.sums} for finding in report.findings],
    }


def document(play: Play, closed: Closing | None, audit: dict[str, Any] | None) -> dict[str, Any]:
    """Everything, for `--json`."""
    figures, scenario = play.figures, play.scenario
    truths = [street.truth for street in play.streets]
    traded = [trade for trade in figures.trades.values() if trade.delivered_mwh is not None]
    total = {
        name: sum(getattr(interval, name) for interval in figures.intervals)
        for name in ("trade_in_mwh", "pool_in_mwh", "trade_out_mwh", "pool_out_mwh", "moved_minor")
    }
    imported = sum(one.shown.import_nwh for one in play.houses.values() if one.shown) // _NWH_PER_MWH
    exported = sum(one.shown.export_nwh for one in play.houses.values() if one.shown) // _NWH_PER_MWH
    seconds = max(play.played_s, 0.001)
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "engine": scenario.engine,
        "validators": len(play.nodes.network.nodes),
        "clock": "simulated",
        "minutes": play.minute - play.first_minute,
        "pace_asked": play.pace,
        "pace": round((play.minute - play.first_minute) * 60 / seconds, 1),
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
            "heard": figures.heard,
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


def parts(found: dict[str, Any]) -> Iterator[Any]:
    """The same as tables."""
    ledger, energy, truth = found["ledger"], found["energy"], found["truth"]
    trades, tokens, delay = found["trades"], found["tokens"], found["reading_to_ledger_s"]
    yield ""
    yield f"{found['title']}: {found['minutes']:.0f} minutes in {found['played_s']:.0f} s, at {found['pace']:.0f}x"
    yield facts(
        (
            ("ordered by", f"{found['engine']}, {found['validators']} validators, on a simulated clock"),
            ("blocks", f"{ledger['height']:,} with {ledger['transactions']:,} transactions ({ledger['rate_per_s']}/s)"),
            ("readings", f"{ledger['readings']:,}; on the ledger after {delay['p50']} s (p95 {delay['p95']} s)"),
            ("refused", ", ".join(f"{what} ({count})" for what, count in ledger["refused"].items()) or "nothing"),
            (
                "energy",
                (
                    f"{_kwh(energy['import_mwh'])} taken, {_kwh(energy['export_mwh'])} given; of what was taken "
                    f"{_kwh(energy['trade_in_mwh'])} was bought from neighbours, {_kwh(energy['pool_in_mwh'])} shared"
                ),
            ),
            (
                "in truth",
                f"{_nwh(truth['consumed_nwh'])} used, {_nwh(truth['generated_nwh'])} made, "
                f"{_nwh(truth['heat_nwh'])} lost in wires, {_nwh(truth['stolen_nwh'])} stolen"
                + (f", {_nwh(truth['shed_nwh'])} missed" if truth["shed_nwh"] else ""),
            ),
            (
                "trades",
                (
                    f"{trades['agreed']} of {trades['orders']} orders, {trades['over']} over; "
                    f"{_kwh(trades['delivered_mwh'])} delivered, "
                    f"{trades['acknowledged']} of {trades['commands']} commands acknowledged by meters"
                ),
            ),
            (
                "tokens",
                (
                    f"{tokens['bought']} bought, {tokens['returned']} returned, {tokens['redeemed']} redeemed "
                    f"({_kwh(tokens['redeemed_mwh'])}); {tokens['shares']} shares ({_kwh(tokens['shared_mwh'])})"
                ),
            ),
        )
    )
    if found["feeders"]:
        yield ""
        columns = ("feeder", "made", "used", "from the grid", "lost", "loading", "load factor")
        yield table(columns, (_feeder_row(one) for one in found["feeders"]), numbers=columns[1:])
    yield ""
    purses = ("house", "began with", "has", "set aside")
    yield table(purses, (_money_row(one) for one in found["money"]), numbers=purses[1:])
    yield ""
    yield from _verdict(found)


def _verdict(found: dict[str, Any]) -> Iterator[str]:
    audit = found["audit"]
    if audit is not None:
        if audit["holds"]:
            kept = counted(len(audit["laws"]), "law")
            yield f"audit of blocks {audit['first']} to {audit['last']}: all {kept} of conservation hold"
        else:
            yield f"AUDIT FAILED: {audit['reason']}"
    for line in found["disagreements"]:
        yield f"DISAGREES: {line}"
    if not found["disagreements"]:
        yield "ledger and meters agree on every register and every token"
    for line in found["problems"]:
        yield f"noticed: {line}"


def _feeder_row(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        one["feeder"],
        _kwh(one["generation_mwh"]),
        _kwh(one["consumption_mwh"]),
        _kwh(one["supply_mwh"]),
        _kwh(one["loss_mwh"]),
        _percent(one["loading_micro"]),
        _percent(one["load_factor_micro"]),
    )


def _money_row(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        one["house"],
        f"{one['begun_minor'] / _CENTS:.2f}",
        f"{one['available_minor'] / _CENTS:.4f}",
        f"{one['escrow_minor'] / _CENTS:.4f}",
    )


def _kwh(energy_mwh: int | None) -> str:
    return "unknown" if energy_mwh is None else f"{energy_mwh / MWH_PER_KWH:.3f} kWh"


def _nwh(energy_nwh: int) -> str:
    return f"{energy_nwh / _NWH_PER_KWH:.3f} kWh"


def _percent(micro: int | None) -> str:
    return "unknown" if micro is None else f"{micro / 10_000:.1f} %"
