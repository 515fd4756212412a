"""Commands: proven, numbered, carried out once, answered the same whenever they come again.

A gateway is trusted with delivery only, so what it tells is taken when it shows that the ledger has said it
(`believing`); a token needs nothing, it proves itself. Anything else is refused (`COMMAND_UNPROVEN`), counted, reported
within a bound a day, and changes nothing: metering goes on.

Numbers are of a kind of command. The last `ANSWERS` of each are remembered; one below all of them is old and is not
carried out, done or not, because nobody can tell any more. Of commands whose order matters (the supply's, and those of
the utility) one below the last is old as well. The answer goes back over the wire; the ledger hears by a signed
transaction what concerns units, deliveries or the supply, and of each command of the utility.

    delivery   settlement.acknowledge, when it is done (`deliveries`)
    share      prepaid.debit; none after its time
    supply     commands.answer_supply
    utility's  commands.answer, with its code: numbered for each meter without a gap, so a missing one is noticed
"""

from __future__ import annotations

from devices.meter import believing, clock, customer_key, deliveries, shares, tariffs, tokens
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
    SetTariff,
    SetTerms,
    ShareUnits,
    ShowMessage,
    Told,
    Unknown,
)
from devices.meter.outbox import notice, require_room, tell
from devices.meter.settings import ANSWERS, LARGEST_MWH
from devices.meter.told import UTILITY, Instruction, from_ledger, token
from devices.meter.turn import Refused, Turn
from ledgernode.errors import BadProof, BadRequest
from ledgernode.evidence import WITHIN

DIGITS = "token"
DISPLAY = "display"
"""What services hand to a gateway for whoever shows it: not the ledger's, so not shown here, and no lie either."""
DONE = "OK"
FULL = "OUTBOX_FULL"
DETAIL = 200
MOST = 3
"""Transactions of one command with its answer: a final balance, its clearing."""
MESSAGE = 32


def told(turn: Turn, event: Told) -> None:
    """What a gateway says that somebody has said."""
    if event.kind == DIGITS:
        turn.answers.append(Answer(event.kind, event.number, _token(turn, event.payload)))
        return
    try:
        shown = believing.shown(turn, event.evidence)
    except BadProof as error:
        turn.change("numbers", unproven=turn.state.numbers.unproven + 1)
        if event.kind != DISPLAY:
            notice(turn, "command_unproven", f"{event.kind} {event.number}: {error}"[:DETAIL])
        turn.answers.append(Answer(event.kind, event.number, "COMMAND_UNPROVEN"))
        return
    clock.not_behind(turn, shown.time_ms)
    try:
        instruction = from_ledger(shown.event, shown.place, shown.time_ms)
    except BadRequest:
        instruction = None
    if instruction is None:
        turn.answers.append(Answer(event.kind, event.number, "COMMAND_UNKNOWN"))
    elif instruction.device != turn.settings.identity.hex():
        turn.answers.append(Answer(event.kind, event.number, "COMMAND_FOREIGN"))
    else:
        _instructed(turn, instruction, shown.time_ms)


def _instructed(turn: Turn, instruction: Instruction, time_ms: int) -> None:
    """A command of the ledger to this meter, unless it has come too late."""
    command, number = instruction.command, instruction.number
    kind = instruction.kind or type(command).__name__
    known = [answer.number for answer in turn.state.answers if answer.kind == kind]
    last = max(known, default=0)
    ordered = instruction.kind == UTILITY or isinstance(command, BlockSupply)
    late = isinstance(command, Deliver) and deliveries.is_late(turn, command, time_ms)
    if number in known or not ((ordered and number < last) or late):
        if instruction.kind == UTILITY and number > last + 1:
            notice(turn, "command_missed", f"{last + 1} to {number - 1}")
        commanded(turn, Commanded(turn.clock_ms, number, command, instruction.kind))
        if number not in known and turn.answers[-1].code != FULL:
            _answer_ledger(turn, instruction, turn.answers[-1].code)
    else:
        turn.answers.append(Answer(kind, number, "COMMAND_OLD"))


def _answer_ledger(turn: Turn, instruction: Instruction, code: str) -> None:
    if instruction.kind == UTILITY:
        tell(turn, UTILITY, "answer", 50_000, number=instruction.number, code=code)
    elif isinstance(instruction.command, BlockSupply):
        height, within = divmod(instruction.number, WITHIN)
        tell(turn, UTILITY, "answer_supply", 50_000, height=height, within=within, code=code)


def _token(turn: Turn, payload: bytes) -> str:
    """Its identifier alone keeps it from counting twice; what it is refused for concerns nobody but the gateway."""
    try:
        tokens.enter(turn, token(payload), typed=False)
    except BadRequest:
        return "TOKEN_MALFORMED"
    except Refused as refusal:
        turn.alarm("TOKEN_REFUSED", refusal.code)
        return refusal.code
    return DONE


def commanded(turn: Turn, event: Commanded) -> None:
    kind, number = event.kind or type(event.command).__name__, event.number
    known = {answer.number: answer for answer in turn.state.answers if answer.kind == kind}
    if number in known:
        turn.answers.append(known[number])
        return
    if len(known) == ANSWERS and number < min(known):
        turn.answers.append(Answer(kind, number, "COMMAND_OLD"))
        return
    try:
        if event.kind == UTILITY or isinstance(event.command, BlockSupply):
            require_room(turn, MOST)  # so that the ledger hears of it
        _carry_out(turn, event.command)
        answer = Answer(kind, number, DONE)
    except Refused as refusal:
        answer = Answer(kind, number, refusal.code)
    turn.answers.append(answer)
    if answer.code != FULL:  # which may come again when there is room
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
            deliveries.deliver(turn, command)
        case ShowMessage(text):
            turn.put(message="".join(letter if " " <= letter <= "~" else "?" for letter in text)[:MESSAGE])
        case SetTerms(low_mwh):
            if not 0 <= low_mwh <= LARGEST_MWH:
                raise Refused("AMOUNT")
            turn.change("credit", low_mwh=low_mwh)
        case SetTariff():
            tariffs.told(turn, command)
        case SetClock(true_ms):
            clock.set_by_utility(turn, true_ms)
        case ChoosePin():
            customer_key.forget(turn)
        case CloseAccount():
            tokens.clear_credit(turn)
        case Unknown():
            raise Refused("COMMAND_UNKNOWN")
