"""`meter accuracy`: how truly simulated meters count, as a table of errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.output import counted, facts, json_option, progress, show, table

if TYPE_CHECKING:
    from devices.metrology.accuracy import Accuracy, Band, Cell, Creep

_FEWEST: Final = 35
"""So that each place of the tables has one."""
_MOST: Final = 1_000_000
_NOTABLE: Final = 0.02
"""Parts of the nominal current from which noise is small beside it."""


@click.command()
@click.option(
    "--waveforms",
    type=click.IntRange(_FEWEST, _MOST),
    default=1_000,
    show_default=True,
    help="Alternating waveforms, and a fifth as many of direct current.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="All that is random comes from it.")
@json_option
@click.pass_context
def accuracy(context: click.Context, waveforms: int, seed: int, as_json: bool) -> None:
    """Hold calibrated meters against random waveforms: errors of energy by current and power factor.

    Ends with code 1 when a limit of class 1 is broken.

    \b
    ledgernode meter accuracy
    ledgernode meter accuracy --waveforms 10000 --seed 7 --json
    """
    from devices.metrology.accuracy import accuracy as tried

    with progress("waveforms", shown=not as_json) as told:
        found = tried(waveforms, seed, told=told)
    show(_document(found), as_json, *_parts(found))
    if not found.within:
        context.exit(1)


def _document(found: Accuracy) -> dict[str, Any]:
    return {
        "waveforms": found.waveforms,
        "seed": found.seed,
        "within": found.within,
        "alternating": [_cell_document(cell) for cell in found.alternating],
        "direct": [_cell_document(cell) for cell in found.direct],
        "three_phase": [_cell_document(cell, "load") for cell in found.three_phase],
        "creep": _creep_document(found.creep),
        "direct_creep": _creep_document(found.direct_creep),
        "three_phase_creep": _creep_document(found.three_phase_creep),
    }


def _creep_document(creep: Creep) -> dict[str, int]:
    return {"meters": creep.meters, "moved": creep.moved, "started": creep.started}


def _cell_document(cell: Cell, kind: str = "power_factor") -> dict[str, Any]:
    """Errors in percent, currents in parts of the nominal one."""
    return {
        "current_from": cell.band.low,
        "current_to": cell.band.high,
        kind: cell.factor,
        "runs": len(cell.runs),
        "limit_percent": cell.band.limit_percent,
        "mean_percent": round(cell.mean, 4),
        "worst_percent": round(cell.worst, 4),
        "worst_reactive_percent": None if cell.worst_reactive is None else round(cell.worst_reactive, 4),
        "worst_voltage_percent": round(_worst(run.voltage for run in cell.runs), 4),
        "worst_current_percent": round(_worst(run.current for run in cell.runs), 4),
        "worst_frequency_mhz": round(_worst(run.frequency_mhz for run in cell.runs), 2),
    }


def _parts(found: Accuracy) -> list[Any]:
    direct = [(_range(cell.band), f"{cell.band.limit_percent}", _errors(cell)) for cell in found.direct]
    runs = [run for cell in found.alternating for run in cell.runs]
    notable = [run for cell in found.alternating if cell.band.low >= _NOTABLE for run in cell.runs]
    reactive = [run.reactive for run in runs if run.reactive is not None]
    small = f"{_worst(run.current for run in runs):.2f} % below {_NOTABLE} of the nominal (one window of 5 s)"
    creeps = (found.creep, found.direct_creep, found.three_phase_creep)
    tried = counted(sum(creep.meters for creep in creeps), "meter")
    sums = [
        ("RMS voltage", f"{_worst(run.voltage for run in runs):.2f} % at most"),
        ("RMS current", f"{_worst(run.current for run in notable):.2f} % at most, {small}"),
        ("reactive energy", f"{_worst(reactive):.2f} % at most, at power factor 0.5"),
        ("frequency", f"{_worst(run.frequency_mhz for run in runs):.1f} mHz at most"),
        ("creep", f"{sum(creep.moved for creep in creeps)} of {tried} moved below the starting current"),
        ("start", f"{sum(creep.started for creep in creeps)} of {tried} moved at it"),
        ("class 1", "held" if found.within else "BROKEN"),
    ]
    return [
        f"errors of energy in percent: mean, worst; {counted(found.waveforms, 'waveform')}, seed {found.seed}",
        "",
        _by_band(found.alternating, "PF "),
        "",
        table(("current / nominal", "limit %", "12 V DC"), direct),
        "",
        _by_band(found.three_phase, ""),
        "",
        facts(sums),
    ]


def _by_band(cells: Iterable[Cell], before: str) -> Any:
    """A row for each band, a column for each power factor or load."""
    rows: dict[Band, list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.band, []).append(cell)
    names = [f"{before}{cell.factor}" for cell in next(iter(rows.values()))]
    return table(
        ("current / nominal", "limit %", *names),
        [(_range(band), f"{band.limit_percent}", *(_errors(cell) for cell in found)) for band, found in rows.items()],
    )


def _range(band: Band) -> str:
    return f"{band.low:.3f}" if band.low == band.high else f"{band.low:.3f} to {band.high:.3f}"


def _errors(cell: Cell) -> str:
    return f"{cell.mean:+.2f}, {cell.worst:.2f}"


def _worst(errors: Iterable[float]) -> float:
    return max((abs(error) for error in errors), default=0.0)
