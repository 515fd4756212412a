"""Units to another meter: this one counts them down and signs that, and only then do they exist elsewhere.

The receipt `debit(counter, to, energy, balance)` is written in the step that takes the units, sent when there is a
link, and never taken back: what cannot be credited the ledger returns, as a token. What a token does not carry stays.
A share asked for by the web has a time-out, after which the ledger has given it up and the meter refuses it.
"""

from __future__ import annotations

from devices.meter.events import ShareUnits
from devices.meter.outbox import require_room, tell
from devices.meter.settings import SHARES, UNIT_MWH
from devices.meter.turn import Refused, Turn
from ledgernode.errors import LedgerError
from ledgernode.sts import amounts
from ledgernode.sts.pan import PAN_DIGITS, Pan, pan_of, read_pan


def recipient(turn: Turn, typed: str) -> Pan:
    """The meter number that was typed, or that of a reference number; refuses a wrong digit, and one's own."""
    try:
        pan = read_pan(typed) if len(typed) == PAN_DIGITS else pan_of(typed)
    except LedgerError:
        raise Refused("METER_NUMBER") from None
    if pan == turn.settings.pan:
        raise Refused("SELF_SHARE")
    return pan


def carried_mwh(energy_mwh: int) -> int:
    """How much of it a token carries exactly: the rest stays with the sender."""
    return amounts.vendable(energy_mwh).units * UNIT_MWH


def require_credit(turn: Turn, energy_mwh: int) -> None:
    if not 0 < energy_mwh == carried_mwh(energy_mwh):
        raise Refused("AMOUNT")
    if energy_mwh > turn.state.credit.balance_mwh:
        raise Refused("TOO_LITTLE_CREDIT")


def debit(turn: Turn, to: Pan, energy_mwh: int, *, share: int = 0, verified: bool) -> int:
    """Take the units out and sign for it; the receipt's number."""
    require_credit(turn, energy_mwh)
    require_room(turn)
    credit = turn.state.credit
    balance_mwh, counter = credit.balance_mwh - energy_mwh, credit.counter + 1
    turn.change("credit", balance_mwh=balance_mwh, sent_mwh=credit.sent_mwh + energy_mwh, counter=counter)
    said = {"counter": counter, "recipient_pan": to, "energy_mwh": energy_mwh, "balance_mwh": balance_mwh}
    tell(turn, "prepaid", "debit", 400_000, **said, share=share, verified=verified)
    return counter


def answer_web(turn: Turn, asked: ShareUnits) -> None:
    """Do what a wallet asked for, if its time is not over; once, whoever brings it again under whatever number.

    Of the numbers answered the highest are remembered: one below all of them is old.
    """
    done = turn.state.shares
    if asked.share in done or (len(done) == SHARES and asked.share < done[0]):
        raise Refused("SHARE_ANSWERED")
    if not turn.state.clock.valid:
        raise Refused("CLOCK_WRONG")
    if turn.now_ms >= asked.until_ms:
        raise Refused("SHARE_TIMED_OUT")
    to = recipient(turn, asked.recipient_pan)
    debit(turn, to, asked.energy_mwh, share=asked.share, verified=True)
    turn.put(shares=tuple(sorted((*done, asked.share)))[-SHARES:])
