"""20-digit prepayment tokens by hand: to check published vectors, and to see what a token says.

Nothing is taken from a clock or left to chance: every value a token depends on is an option.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click
import msgspec

from ledgernode.cli.output import facts, json_option, show
from ledgernode.cli.tokens import change_document, token_document, token_rows
from ledgernode.errors import BadRequest
from ledgernode.identity.secret_file import read_secret
from ledgernode.sts import amounts, tid
from ledgernode.sts.key_change import KeyChange, key_change, mint_key_change
from ledgernode.sts.keys import DecoderKey, KeyParameters, VendingKey, derive, key_type_of
from ledgernode.sts.pan import read_pan
from ledgernode.sts.tid import BaseDate, Tid
from ledgernode.sts.token import (
    ClearCredit,
    ClearTamper,
    Credit,
    KeyChangeSection,
    MaximumPower,
    PhaseUnbalance,
    TariffRate,
    Token,
    read,
)
from ledgernode.sts.token import mint as mint_token

_R = TypeVar("_R")
_MINUTE: Final = "%Y-%m-%dT%H:%M"
_KWH: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_MWH_PER_KWH: Final = 1_000_000
_ROUND: Final = {"up": amounts.round_up, "down": amounts.round_down}
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_BASES: Final = {str(base.value): base for base in BaseDate}


class Meter(NamedTuple):
    """What the options below say: what a meter is set to, and the vending key behind it."""

    vending_key: VendingKey
    parameters: KeyParameters
    key_expiry: int

    @property
    def key(self) -> DecoderKey:
        return derive(self.vending_key, self.parameters)


def meter_options(command: Callable[..., _R]) -> Callable[..., _R]:
    """Give a command the options that lead to a meter's key; it takes them as its argument `meter`."""

    @functools.wraps(command)
    def with_meter(
        *,
        vending_key: str | None,
        vending_key_file: Path | None,
        key_type: int,
        pan: str,
        base: str,
        key_expiry: int,
        supply_group: str,
        key_revision: int,
        tariff_index: str,
        **others: Any,
    ) -> _R:
        parameters = KeyParameters(
            pan=read_pan(pan),
            supply_group=supply_group,
            tariff_index=tariff_index,
            key_revision=key_revision,
            key_type=key_type_of(key_type),
            base=_BASES[base],
        )
        key = _vending_key(vending_key, vending_key_file)
        if key is None:
            raise BadRequest("a vending key is needed: name its file with --vending-key-file")
        return command(meter=Meter(key, parameters, key_expiry), **others)

    for option in reversed(_OPTIONS):
        with_meter = option(with_meter)
    return with_meter


_OPTIONS: Final = (
    click.option("--vending-key-file", type=_FILE, help="File with the vending key, 40 hex digits, mode 0600."),
    click.option(
        "--vending-key",
        metavar="HEX",
        help="The vending key itself. For published test vectors only: others on this machine can read it.",
    ),
    click.option("--supply-group", required=True, metavar="CODE", help="Supply group code, 6 digits."),
    click.option("--key-type", required=True, type=int, help="1 (default) or 2 (unique)."),
    click.option("--key-revision", required=True, type=int, help="1 to 9."),
    click.option("--tariff-index", required=True, metavar="TI", help="2 digits."),
    click.option("--pan", required=True, help="The meter's number, 18 digits."),
    click.option("--base", required=True, type=click.Choice(list(_BASES)), help="Base date of the meter's key."),
    click.option(
        "--key-expiry",
        type=int,
        default=tid.NEVER_EXPIRES,
        show_default=True,
        help="The key's expiry number; 255: never.",
    ),
)


@click.group()
def sts() -> None:
    """Mint and read 20-digit prepayment tokens (IEC 62055-41)."""


@sts.command()
@meter_options
@click.option("--issued", type=click.DateTime([_MINUTE]), metavar="YYYY-MM-DDTHH:MM", help="When, in UTC.")
@click.option("--random", type=click.IntRange(0, 15), help="The token's random field.")
@click.option("--kwh", help="Credit of electricity, such as 0.1.")
@click.option("--max-power", type=click.IntRange(0), metavar="W", help="The most power the load may draw.")
@click.option("--clear-credit", is_flag=True, help="Clear the meter's credit.")
@click.option("--tariff-rate", type=click.IntRange(0, 0xFFFF), metavar="N", help="A tariff rate, as the meter has it.")
@click.option("--clear-tamper", is_flag=True, help="Clear the meter's tamper state.")
@click.option("--phase-unbalance", type=click.IntRange(0), metavar="W", help="The most that phases may differ.")
@click.option(
    "--change-key",
    metavar="NAME=VALUE,…",
    help="Four tokens to another key. Names: tariff-index, supply-group, key-type, key-revision, base, key-expiry.",
)
@click.option("--new-vending-key-file", type=_FILE, help="With --change-key: the new key's vending key, if another.")
@click.option("--new-vending-key", metavar="HEX", help="The same itself; for published test vectors only.")
@click.option(
    "--rounding",
    type=click.Choice(["up", "down", "exact"]),
    default="up",
    show_default=True,
    help="Of amounts that no token carries. Published vectors round up; vending rounds down.",
)
@json_option
def mint(
    *,
    meter: Meter,
    issued: datetime | None,
    random: int | None,
    change_key: str | None,
    new_vending_key_file: Path | None,
    new_vending_key: str | None,
    rounding: str,
    as_json: bool,
    **said: Any,
) -> None:
    """Mint the token that says one thing to one meter, and print its 20 digits.

    \b
    ledgernode sts mint --vending-key-file vending.key --supply-group 123457 --key-type 2 --key-revision 1
      --tariff-index 01 --pan 600727000000000009 --base 1993 --issued 2004-03-01T13:00 --random 5 --kwh 0.1
    ledgernode sts mint … --change-key tariff-index=02
    """
    given = {**said, "change_key": change_key}
    wanted = [name for name, value in given.items() if value is not None and value is not False]  # 0 W is a limit
    if len(wanted) != 1:
        raise BadRequest("a token says one thing: give one of --kwh, --max-power, --clear-credit, --change-key, …")
    if change_key is not None:
        new_key = _vending_key(new_vending_key, new_vending_key_file) or meter.vending_key
        change = _change(meter, change_key, new_key)
        tokens = mint_key_change(change, meter.key)
        show({"tokens": list(tokens), **change_document(change)}, as_json, *tokens)
        return
    if issued is None or random is None:
        raise BadRequest("a token needs --issued and --random")
    issued_ms = int(issued.replace(tzinfo=UTC).timestamp()) * 1_000
    number = tid.issue(meter.parameters.base, issued_ms)
    tid.require_unexpired(number, meter.key_expiry)
    token = _token(wanted[0], said[wanted[0]], number, random, rounding)
    digits = mint_token(token, meter.key)
    show({"tokens": [digits], **token_document(token, meter.parameters.base)}, as_json, digits)


@sts.command()
@click.argument("digits", metavar="TOKEN")
@meter_options
@json_option
def decode(digits: str, meter: Meter, as_json: bool) -> None:
    """Say what a token tells the meter with this key. Blanks and hyphens between digits do not matter.

    Refuses another meter's token (TOKEN_CHECK_FAILED), and one beyond the key's expiry (TOKEN_KEY_EXPIRED). Whether
    a token was used only the meter knows.

    \b
    ledgernode sts decode 59386323472137426967 --vending-key-file vending.key --supply-group 123457 --key-type 2
      --key-revision 1 --tariff-index 01 --pan 600727000000000009 --base 1993
    """
    token = read(digits, meter.key)
    if not isinstance(token, KeyChangeSection):
        tid.require_unexpired(token.tid, meter.key_expiry)
    base = meter.parameters.base
    show(token_document(token, base), as_json, facts(token_rows(token, base)))


def _vending_key(text: str | None, file: Path | None) -> VendingKey | None:
    if text is not None and file is not None:
        raise BadRequest("a vending key is given once: as a file, or itself")
    if file is not None:
        return VendingKey.from_hex(read_secret(file).decode("ascii", "replace").strip())
    return VendingKey.from_hex(text) if text is not None else None


def _token(kind: str, value: Any, number: Tid, random: int, rounding: str) -> Token:
    match kind:
        case "kwh":
            return Credit(tid=number, random=random, units=_units(value, rounding))
        case "max_power":
            return MaximumPower(tid=number, random=random, limit_w=_carried(value, rounding))
        case "clear_credit":
            return ClearCredit(tid=number, random=random)
        case "tariff_rate":
            return TariffRate(tid=number, random=random, rate=value)
        case "clear_tamper":
            return ClearTamper(tid=number, random=random)
        case "phase_unbalance":
            return PhaseUnbalance(tid=number, random=random, limit_w=_carried(value, rounding))
    raise AssertionError(kind)


def _units(kwh: str, rounding: str) -> int:
    """Tenths of a kWh that a token carries, from text such as 0.1."""
    if not _KWH.fullmatch(kwh):
        raise BadRequest(f"--kwh takes a number such as 12.5, with at most 6 decimals, not {kwh!r}")
    energy_mwh = int(Decimal(kwh) * _MWH_PER_KWH)
    units, rest_mwh = divmod(energy_mwh, amounts.UNIT_MWH)
    if rest_mwh and rounding == "exact":
        raise BadRequest(f"a token carries tenths of a kWh: {kwh} lies between two of them")
    return _carried(units + bool(rest_mwh and rounding == "up"), rounding)


def _carried(amount: int, rounding: str) -> int:
    return amount if rounding == "exact" else _ROUND[rounding](amount)


def _change(meter: Meter, text: str, new_key: VendingKey) -> KeyChange:
    """The key change that `name=value,…` asks for; what is not named stays."""
    given = dict(_pairs(text))
    old = meter.parameters
    base = given.pop("base", str(old.base.value))
    if base not in _BASES:
        raise BadRequest(f"base is one of {', '.join(_BASES)}, not {base!r}")
    expiry = _whole_number("key-expiry", given.pop("key-expiry", str(tid.NEVER_EXPIRES)))
    new = msgspec.structs.replace(
        old,
        supply_group=given.pop("supply-group", old.supply_group),
        tariff_index=given.pop("tariff-index", old.tariff_index),
        key_revision=_whole_number("key-revision", given.pop("key-revision", str(old.key_revision))),
        key_type=key_type_of(_whole_number("key-type", given.pop("key-type", str(int(old.key_type))))),
        base=_BASES[base],
    )
    if given:
        raise BadRequest(f"--change-key knows no {', '.join(given)}")
    return key_change(old, new, new_key, key_expiry=expiry)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise BadRequest(f"--change-key takes NAME=VALUE, separated by commas, not {part!r}")
        yield name.strip(), value.strip()


def _whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(f"{name} is a whole number, not {text!r}")
    return int(text)
