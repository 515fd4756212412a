"""The keys: one dialogue at a time, none of it kept. Half a minute without a key ends it.

    at rest ─digit▶ token ─#▶ what it said
    at rest ─#▶ menu ┬1▶ share_to ─#▶ share_amount ─#▶ share_asking ─▶ share_confirm ─#▶ pin ─#▶ share_sent
                     │                             └#▶ (no link, no answer) share_unverified ─#▶ pin …
                     ├2▶ info …
                     ├3▶ pin ─#▶ pin_new ─#▶ pin_again ─#▶ pin_changed    (the first time from pin_new on: pin_made)
                     └4▶ pin ─#▶ advance_asked

A refusal is a page too, and ends the dialogue.
"""

from __future__ import annotations

from typing import Final

from devices.customer_unit import KEYS
from devices.meter import customer_key, shares, tokens
from devices.meter.screens import INFO, SECRET_PAGES, STEP, higher_steps, tenths_mwh
from devices.meter.settings import KEYPAD_MS, LOOK_UP_MS
from devices.meter.turn import Refused, Turn
from ledgernode.sts.pan import Pan

_TYPED: Final = {"token": 24, "share_to": 18, "share_amount": 8, "pin": 8, "pin_new": 8, "pin_again": 8}
"""Pages on which digits are typed, and how many."""
_SHARE, _CHANGE, _ADVANCE = "share", "change", "advance"


def pressed(turn: Turn, key: str) -> None:
    """One key; a refusal becomes a page."""
    assert len(key) == 1
    assert key in KEYS
    turn.recall(key_ms=turn.clock_ms)
    try:
        _pressed(turn, key)
    except Refused as refusal:
        _finish(turn, "refused", {"code": refusal.code})


def found(turn: Turn, pan: str, label: str) -> None:
    """Whom the recipient's number belongs to, as the ledger says; of a dialogue that is over it is not wanted."""
    if turn.session.page == "share_asking" and pan == turn.session.pan:
        if label:
            shown = "".join(letter if " " <= letter <= "~" else "*" for letter in label)
            turn.recall(page="share_confirm", label=shown)
        else:
            _finish(turn, "refused", {"code": "RECIPIENT_UNKNOWN"})


def waited(turn: Turn) -> None:
    """Time passes: nobody answers, or nobody types."""
    silent_ms = abs(turn.clock_ms - turn.session.key_ms)
    if turn.session.page == "share_asking" and (silent_ms >= LOOK_UP_MS or not turn.session.link):
        turn.recall(page="share_unverified", label="")
    if turn.session.page and silent_ms >= KEYPAD_MS:
        _rest(turn)


def _pressed(turn: Turn, key: str) -> None:
    page = turn.session.page
    if not page and turn.state.message:
        turn.put(message="")
    elif page in _TYPED:
        _type(turn, key)
    elif page == "menu":
        _choose(turn, key)
    elif page in INFO:
        _look_on(turn, page) if key == "#" else _rest(turn)
    elif page in ("share_confirm", "share_unverified"):
        _go(turn, "pin") if key == "#" else _rest(turn)
    elif page == "share_asking":
        if key == "*":
            _rest(turn)
    else:
        _rest(turn)
        if key == "#":
            _go(turn, "menu")
        elif key.isdecimal():
            _go(turn, "token")
            turn.recall(typed=key)


def _look_on(turn: Turn, page: str) -> None:
    """The next page of information; of a tariff by steps each step has its own."""
    shown = int(dict(turn.session.values).get(STEP, 0))
    if page == "info_next" and shown + 1 < len(higher_steps(turn)):
        turn.recall(values=((STEP, str(shown + 1)),))
    else:
        _go(turn, INFO[(INFO.index(page) + 1) % len(INFO)])


def _choose(turn: Turn, key: str) -> None:
    _rest(turn)
    match key:
        case "1":
            customer_key.require_unlocked(turn)
            turn.recall(purpose=_SHARE)
            _go(turn, "share_to")
        case "2":
            _go(turn, INFO[0])
        case "3":
            turn.recall(purpose=_CHANGE)
            if turn.state.customer.may_choose:
                _go(turn, "pin_new")
            else:
                customer_key.require_unlocked(turn)
                _go(turn, "pin")
        case "4":
            customer_key.require_unlocked(turn)
            turn.recall(purpose=_ADVANCE)
            _go(turn, "pin")


def _type(turn: Turn, key: str) -> None:
    page, typed = turn.session.page, turn.session.typed
    if key == "#":
        _entered(turn, page, typed)
    elif key == "*":
        turn.recall(typed=typed[:-1]) if typed else _rest(turn)
    elif len(typed) < _TYPED[page]:
        turn.recall(typed=typed + key)


def _entered(turn: Turn, page: str, typed: str) -> None:
    match page:
        case "token":
            _finish(turn, *tokens.enter(turn, typed, typed=True))
        case "share_to":
            turn.recall(pan=shares.recipient(turn, typed))
            _go(turn, "share_amount")
        case "share_amount":
            _amount(turn, shares.carried_mwh(tenths_mwh(typed)))
        case "pin":
            _with_pin(turn, typed)
        case "pin_new":
            customer_key.require_pin(typed)
            _go(turn, "pin_again")
            turn.recall(values=(("chosen", typed),))
        case "pin_again":
            _pin_chosen(turn, typed, dict(turn.session.values)["chosen"])


def _amount(turn: Turn, energy_mwh: int) -> None:
    shares.require_credit(turn, energy_mwh)
    turn.recall(energy_mwh=energy_mwh)
    if turn.session.link:
        turn.ask = turn.session.pan
        _go(turn, "share_asking")
    else:
        _go(turn, "share_unverified")


def _with_pin(turn: Turn, pin: str) -> None:
    match turn.session.purpose:
        case "share":
            to, energy_mwh, verified = Pan(turn.session.pan), turn.session.energy_mwh, turn.session.label != ""
            customer_key.unlock(turn, pin)
            counter = shares.debit(turn, to, energy_mwh, verified=verified)
            _finish(turn, "share_sent", {"energy_mwh": str(energy_mwh), "counter": str(counter)})
        case "advance":
            customer_key.sign(turn, pin, "take_emergency", 200_000, point=turn.settings.point)
            _finish(turn, "advance_asked", {})
        case _:
            customer_key.unlock(turn, pin)
            turn.recall(pin=pin)
            _go(turn, "pin_new")


def _pin_chosen(turn: Turn, pin: str, chosen: str) -> None:
    if pin != chosen:
        raise Refused("PIN_DIFFERS")
    if turn.session.pin:
        customer_key.change_pin(turn, turn.session.pin, pin)
        _finish(turn, "pin_changed", {})
    else:
        customer_key.make(turn, pin)
        _finish(turn, "pin_made", {})


def _go(turn: Turn, page: str) -> None:
    """To another page of the same dialogue; a PIN that was typed is kept no longer than it is needed."""
    assert page in SECRET_PAGES or not turn.session.pin
    turn.recall(page=page, typed="", values=())


def _finish(turn: Turn, page: str, values: dict[str, str]) -> None:
    """The end of a dialogue: what came of it stays to be read."""
    _rest(turn)
    turn.recall(page=page, values=tuple(sorted(values.items())))


def _rest(turn: Turn) -> None:
    turn.recall(page="", typed="", values=(), purpose="", pan="", label="", energy_mwh=0, pin="")
