"""Options that say what files of measured houses do not: shared by the commands that read them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from devices.history.reading import Options

_P = ParamSpec("_P")
_R = TypeVar("_R")
_MICRO: Final = 1_000_000

files_argument = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE|FOLDER..."
)
_OPTIONS: Final = (
    click.option(
        "--panels-kw",
        default="4",
        show_default=True,
        metavar="KW,...",
        help="Where generation is W per installed kW: house by house, and over again.",
    ),
    click.option(
        "--unit", "units", multiple=True, metavar="QUANTITY=UNIT", help="Of load, pv or price: W, kW, Wh, kWh, W/kW."
    ),
    click.option(
        "--column",
        "columns",
        multiple=True,
        metavar="QUANTITY=HEADER",
        help="Which header is time, house, load, pv or price.",
    ),
    click.option("--zone", default="UTC", show_default=True, help="Of times that bear none, such as Europe/Berlin."),
    click.option("--begin", default="", metavar="TIME", help="When files without years, or without times, begin."),
    click.option(
        "--rows", "row_minutes", type=int, default=0, metavar="MINUTES", help="Between the rows of files without times."
    ),
    click.option("--negative-as-zero", is_flag=True, help="Take negative values as zero, instead of refusing them."),
)


def reading_options(command: Callable[..., _R]) -> Callable[..., _R]:
    """Give a command the options above; it takes what they say as its argument `reading`."""

    @functools.wraps(command)
    def with_options(
        *arguments: Any,
        panels_kw: str,
        units: tuple[str, ...],
        columns: tuple[str, ...],
        zone: str,
        begin: str,
        row_minutes: int,
        negative_as_zero: bool,
        **others: Any,
    ) -> _R:
        from devices.history.reading import Options

        reading = Options(
            columns=_pairs("--column", columns),
            units=_pairs("--unit", units),
            zone=zone,
            begin=begin,
            step_minutes=row_minutes,
            panels_w=[thousandths("--panels-kw", part) for part in panels_kw.split(",")],
            negative_as_zero=negative_as_zero,
        )
        return command(*arguments, reading=reading, **others)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options


def read(files: Sequence[Path], reading: Options, step_minutes: int) -> list[Any]:
    """Houses of the files on one grid: by the step asked for, or by the longest among them."""
    from devices.history.reading import read_houses
    from devices.history.series import MINUTE_MS, aligned

    houses = read_houses(files, reading)
    return aligned(houses, step_minutes * MINUTE_MS or max(house.step_ms for house in houses))


def thousandths(option: str, text: str) -> int:
    """4.5 as 4500: exact, and not below zero."""
    return _scaled(option, text, 1_000)


def micro(option: str, text: str) -> int:
    """A price or rate in millionths: exact; it may be below zero."""
    return _scaled(option, text, _MICRO, signed=True)


def _scaled(option: str, text: str, factor: int, *, signed: bool = False) -> int:
    try:
        scaled = Decimal(text.strip()) * factor
    except InvalidOperation as error:
        raise BadRequest(f"{option}: {text!r} is no number") from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value() or abs(scaled) > 10**12:
        raise BadRequest(f"{option}: {text!r} has more digits than are kept, or is too large")
    if scaled < 0 and not signed:
        raise BadRequest(f"{option}: {text!r} is below zero")
    return int(scaled)


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    from devices.history.columns import QUANTITIES

    found: dict[str, str] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or name not in QUANTITIES:
            raise BadRequest(f"{option} {pair!r}: write one of {', '.join(QUANTITIES)}, =, and what it is")
        found[name] = value
    return found


def pace(text: str) -> float:
    """`3600x`: so many times faster than the clock."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x", text.strip())
    if found is None or float(found[1]) <= 0:
        raise BadRequest(f"--pace {text!r}: write how many times faster than the clock, such as 3600x")
    return float(found[1])
