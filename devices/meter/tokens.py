"""Twenty digits at the meter: by keypad or by wire, offline, each once.

The decoder decides (`ledgernode.sts.decoder`); what it remembers is written in the same step as the credit, so a power
cut gives neither credit twice nor none. The ledger hears of credits by `redeem`, and of what was refused at the keypad
by `refused`, up to a bound a day. It is told of digits only by their digest.
"""

from __future__ import annotations

import hashlib
from typing import Final

from devices.meter.outbox import has_room_for_news, is_closing, require_room, tell
from devices.meter.settings import DAY_MS, KEY_CHANGE_MS, LARGEST_MWH, REFUSALS_A_DAY, UNIT_MWH
from devices.meter.state import Tokens
from devices.meter.turn import Refused, Turn
from ledgernode.errors import LedgerError, TokenClassUnknown, TokenMalformed
from ledgernode.sts import decoder, memory
from ledgernode.sts.key_change import KeyChange
from ledgernode.sts.pan import plain_digits
from ledgernode.sts.tid import BaseDate, Tid
from ledgernode.sts.token import (
    ClearCredit,
    ClearTamper,
    Credit,
    KeyChangeSection,
    MaximumPower,
    PhaseUnbalance,
    Service,
    TariffRate,
)

_ALL_CREDIT: Final = (0, 0xFFFF)
"""Credit registers that a clear-credit token may name: electricity, and all."""


def enter(turn: Turn, digits: str, *, typed: bool) -> tuple[str, dict[str, str]]:
    """Take a token; answers the page that says what it did. Refuses, each with a code of its own, and changes nothing
    but the count of refusals."""
    try:
        return _taken(turn, digits)
    except LedgerError as refusal:
        if typed and not isinstance(refusal, TokenMalformed):
            _report_refusal(turn, digits, refusal.code)
        raise Refused(refusal.code) from None


def require_open(turn: Turn) -> None:
    """Refuses credit between the final balance and its clearing: the ledger would clear it along."""
    if is_closing(turn):
        raise Refused("ACCOUNT_CLOSING")


def burn(turn: Turn, base: int, tid: int) -> None:
    """Take an identifier without its token, and sign that it was never used."""
    tokens = turn.state.tokens
    require_room(turn)
    if tokens.base.value != base:
        raise Refused("TOKEN_CHECK_FAILED")
    try:
        burned = memory.accept(tokens.decoder.memory, Tid(tid))
    except LedgerError as refusal:
        raise Refused(refusal.code) from None
    turn.change("tokens", decoder=_with_memory(tokens.decoder, burned))
    tell(turn, "prepaid", "prove_unused", 30_000, pan=turn.settings.pan, base=base, tid=tid)


def clear_credit(turn: Turn) -> None:
    """Sign the final balance, and that it is cleared."""
    require_open(turn)
    require_room(turn, 2)
    credit = turn.state.credit
    final, cleared = credit.counter + 1, credit.counter + 2
    tell(turn, "prepaid", "final_balance", 200_000, balance_mwh=credit.balance_mwh, counter=final)
    tell(turn, "prepaid", "cleared", 400_000, counter=cleared)
    gone_mwh = credit.cleared_mwh + credit.balance_mwh
    turn.change("credit", balance_mwh=0, cleared_mwh=gone_mwh, counter=cleared)


def drop_sections(turn: Turn) -> None:
    """Of a key change that stays incomplete."""
    tokens = turn.state.tokens
    if tokens.decoder.sections and turn.now_ms - tokens.sections_ms > KEY_CHANGE_MS:
        turn.change("tokens", decoder=decoder.without_sections(tokens.decoder))


def _taken(turn: Turn, digits: str) -> tuple[str, dict[str, str]]:
    require_room(turn, 2)
    tokens, credit = turn.state.tokens, turn.state.credit
    room_units = max(0, (LARGEST_MWH - credit.balance_mwh) // UNIT_MWH)
    entered = decoder.enter(tokens.decoder, digits, room_units=room_units)
    token = entered.token
    if (isinstance(token, Credit) and token.service is not Service.ELECTRICITY) or isinstance(token, TariffRate):
        raise TokenClassUnknown("this meter counts electricity at one rate")
    if isinstance(token, ClearCredit) and token.register not in _ALL_CREDIT:
        raise TokenClassUnknown(f"this meter has no credit register {token.register}")
    if isinstance(token, Credit | ClearCredit):
        require_open(turn)
    before = tokens
    turn.change("tokens", decoder=entered.decoder)
    match token:
        case Credit():
            _credit(turn, before, digits, token)
            return "token_credit", {"energy_mwh": str(token.units * UNIT_MWH)}
        case MaximumPower():
            turn.change("supply", limit_w=token.limit_w, overload_ms=0)
            return "token_limit", {"power_w": str(token.limit_w)}
        case PhaseUnbalance():
            turn.change("supply", unbalance_w=token.limit_w, overload_ms=0)
            return "token_unbalance", {"power_w": str(token.limit_w)}
        case ClearCredit():
            clear_credit(turn)
            return "token_cleared", {}
        case ClearTamper():
            turn.change("supply", tamper=())
            return "token_tamper", {}
        case KeyChangeSection():
            return _section(turn, before, entered.change)
    raise AssertionError(token)


def _credit(turn: Turn, tokens: Tokens, digits: str, token: Credit) -> None:
    credit, energy_mwh = turn.state.credit, token.units * UNIT_MWH
    balance_mwh, counter = credit.balance_mwh + energy_mwh, credit.counter + 1
    turn.change("credit", balance_mwh=balance_mwh, credited_mwh=credit.credited_mwh + energy_mwh, counter=counter)
    where = {"pan": turn.settings.pan, "base": tokens.base.value, "tid": token.tid}
    signed = {"balance_mwh": balance_mwh, "counter": counter}
    tell(turn, "prepaid", "redeem", 100_000, **where, token_hash=digest(digits), **signed)


def _section(turn: Turn, before: Tokens, change: KeyChange | None) -> tuple[str, dict[str, str]]:
    if change is None:
        if not before.decoder.sections:
            turn.change("tokens", sections_ms=turn.now_ms)
        return "token_key_part", {"parts": str(len(turn.state.tokens.decoder.sections))}
    index = int(change.tariff_index)
    base = _next_base(before.base) if change.roll_over else before.base
    turn.change("tokens", base=base, key_revision=change.key_revision, tariff_index=index)
    told = {"key_revision": change.key_revision, "tariff_index": index}
    tell(turn, "prepaid", "key_changed", 30_000, **told)
    return "token_key", {"revision": str(change.key_revision), "index": change.tariff_index}


def _next_base(base: BaseDate) -> BaseDate:
    bases = list(BaseDate)
    return bases[min(bases.index(base) + 1, len(bases) - 1)]


def _report_refusal(turn: Turn, digits: str, code: str) -> None:
    day, tokens = turn.now_ms // DAY_MS, turn.state.tokens
    refused = tokens.refused if tokens.refused_day == day else 0
    turn.change("tokens", refused_day=day, refused=refused + 1)
    if refused < REFUSALS_A_DAY and has_room_for_news(turn):
        tell(turn, "prepaid", "refused", 20_000, token_hash=digest(digits), code=code)


def digest(digits: str) -> str:
    """What the ledger knows of a token."""
    return hashlib.sha256(plain_digits(digits).encode()).hexdigest()


def _with_memory(before: decoder.Decoder, burned: memory.TidMemory) -> decoder.Decoder:
    return decoder.Decoder(key=before.key, key_expiry=before.key_expiry, memory=burned, sections=before.sections)
