"""Commands: numbered, carried out once, answered the same whenever they come again.

Numbers are of a kind of command. The last `ANSWERS` of each are remembered; one below all of them is old and is not
carried out, done or not, because nobody can tell any more. The answer goes back over the wire; what concerns units or
deliveries, the ledger hears by a signed transaction as well.
"""

from __future__ import annotations

from devices.meter import clock, customer_key, shares, tokens
from devices.meter.events import (
    Answer,
    BlockSupply,
    ChoosePin,
    CloseAccount,
    Command,
    Commanded,
    Deliver,
    EnterToken,
    ProveUnused,
    SetClock,
    SetTerms,
    ShareUnits,
    ShowMessage,
)
from devices.meter.outbox import require_room, tell
from devices.meter.settings import ANSWERS, LARGEST_MWH
from devices.meter.state import Tie
from devices.meter.turn import Refused, Turn

DONE = "OK"
TIES = {"start": "tie_out", "stop": "tie_out", "in": "tie_in", "out": "tie_in"}
MESSAGE = 32
TIES_AT_ONCE = 16


def commanded(turn: Turn, event: Commanded) -> None:
    kind, number = type(event.command).__name__, event.number
    known = {answer.number: answer for answer in turn.state.answers if answer.kind == kind}
    if number in known:
        turn.answers.append(known[number])
        return
    if len(known) == ANSWERS and number < min(known):
        turn.answers.append(Answer(kind, number, "COMMAND_OLD"))
        return
    try:
        _carry_out(turn, event.command)
        answer = Answer(kind, number, DONE)
    except Refused as refusal:
        answer = Answer(kind, number, refusal.code)
    turn.answers.append(answer)
    if answer.code != "OUTBOX_FULL":  # which may come again when there is room
        others = tuple(each for each in turn.state.answers if each.kind != kind)
        same = sorted((*known.values(), answer), key=lambda each: each.number)[-ANSWERS:]
        turn.put(answers=tuple(sorted((*others, *same), key=lambda each: (each.kind, each.number))))


def _carry_out(turn: Turn, command: Command) -> None:
    match command:
        case EnterToken(digits):
            tokens.enter(turn, digits, typed=False)
        case ShareUnits():
            shares.answer_web(turn, command)
        case ProveUnused(base, tid):
            tokens.burn(turn, base, tid)
        case BlockSupply(on):
            turn.change("supply", blocked=on)
        case Deliver():
            _deliver(turn, command)
        case ShowMessage(text):
            turn.put(message="".join(letter if " " <= letter <= "~" else "?" for letter in text)[:MESSAGE])
        case SetTerms(low_mwh):
            if not 0 <= low_mwh <= LARGEST_MWH:
                raise Refused("AMOUNT")
            turn.change("credit", low_mwh=low_mwh)
        case SetClock(true_ms):
            clock.set_by_utility(turn, true_ms)
        case ChoosePin():
            customer_key.forget(turn)
        case CloseAccount():
            tokens.clear_credit(turn)


def _deliver(turn: Turn, command: Deliver) -> None:
    """Close a tie relay for a trade; or open it when no other trade needs it, and say what flowed."""
    if command.action not in TIES:
        raise Refused("COMMAND_UNKNOWN")
    require_room(turn)
    relay, registers = TIES[command.action], turn.state.registers
    register_mwh = registers.export_mwh if relay == "tie_out" else registers.import_mwh
    running = [tie for tie in turn.state.ties if (tie.trade, tie.relay) == (command.trade, relay)]
    others = tuple(tie for tie in turn.state.ties if tie not in running)
    measured_mwh = 0
    if command.action in ("start", "in"):
        if not running and len(others) == TIES_AT_ONCE:
            raise Refused("TOO_MANY_DELIVERIES")
        turn.put(ties=(*others, *running[:1]) if running else (*others, Tie(command.trade, relay, register_mwh)))
    else:
        if running:
            measured_mwh = (register_mwh - running[0].start_mwh) % turn.settings.modulus_mwh
        turn.put(ties=others)
    turn.relays[relay] = any(tie.relay == relay for tie in turn.state.ties)
    tell(turn, "settlement", "acknowledge", 100_000, command=command.command, measured_mwh=measured_mwh)
