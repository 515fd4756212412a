"""What a play came to, and what it took of a machine, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ledgernode.cli.output import counted, facts, size, table
from living.units import MINOR_PER_CENT, MWH_PER_KWH

_NWH_PER_KWH: Final = 1_000_000_000_000
_CENTS: Final = MINOR_PER_CENT * 100
_YEAR_DAYS: Final = 365


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


# ---------------------------------------------------------------- what it took


def taken(told: dict[str, Any]) -> Iterator[Any]:
    """Of one machine."""
    yield (
        f"{told['houses']} houses ({told['scenario']}), ordered by {told['engine']}, {told['minutes']:.0f} minutes at "
        f"{told['pace']:.0f}x, a reading each {told['reading_seconds']} s; {told['transactions']:,} transactions; load "
        f"of this machine {told['load']}"
    )
    yield ""
    columns = ("process", "CPU at rest", "CPU, living", "memory at most", "disk at first", "disk a day", "disk a year")
    yield table(columns, (_taken_row(name, one) for name, one in told["processes"].items()), numbers=columns[1:])
    yield ""
    yield "CPU is of one core of this machine, at the real pace"
    for line in told["disagreements"] + told["problems"]:
        yield f"noticed: {line}"


def _taken_row(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{one['idle_share']:.2%}",
        f"{one['idle_share'] + one['work_share']:.2%}",
        size(one["memory_bytes"]),
        size(one["disk_before_bytes"]),
        size(one["disk_bytes_a_day"]),
        size(one["disk_bytes_a_day"] * _YEAR_DAYS),
    )
