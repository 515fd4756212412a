"""A gateway is trusted with delivery: what it tells is done when validators have certified that the ledger said it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from devices.meter.events import Told
from devices.meter.settings import DELIVERY_MS, EXTRA_A_DAY, OUTBOX, SETS
from ledgernode.evidence import Evidence, encode_evidence
from ledgernode.wire.validators import parse_set
from tests.devices.meter.house import KWH, OTHER_PAN, House
from tests.devices.meter.sayings import METER, Saying, tell


@pytest.fixture(scope="module")
def ledger() -> Saying:
    return Saying()


def test_the_supply_is_blocked_by_the_ledger_and_by_nobody_else(ledger: Saying) -> None:
    """The relay opens; the ledger hears it by a signed transaction with the event's place."""
    house = ledger.house()
    house.recharge(5)
    evidence, place = ledger.say("SupplyBlocked", "prepaid", meter=METER)
    assert tell(house, evidence, "supply") == "OK"
    assert not house.supplied
    height, within = divmod(place, 1 << 32)
    assert house.told("answer_supply") == [{"height": height, "within": within, "code": "OK"}]
    assert tell(house, ledger.supply(blocked=False), "supply") == "OK"
    assert house.supplied


FORGERIES: dict[str, Callable[[Evidence], Evidence]] = {
    "a signature too few": lambda found: msgspec.structs.replace(
        found, certificate=b"\x00\x02" + found.certificate[2 : 2 + 2 * 66]
    ),
    "another event": lambda found: msgspec.structs.replace(
        found, receipt=found.receipt.replace(b"SupplyUnblocked", b"SupplyBlocked!!")
    ),
    "an event that is not there": lambda found: msgspec.structs.replace(found, event=7),
    "another place": lambda found: msgspec.structs.replace(found, index=found.index + 1),
    "another header": lambda found: msgspec.structs.replace(found, header=found.header[:-9] + bytes(9)),
    "no path": lambda found: msgspec.structs.replace(found, path=()),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_an_invented_command_changes_nothing_and_is_counted(ledger: Saying, name: str) -> None:
    """Refused with a code; the utility hears of it on the ledger; metering goes on."""
    house = ledger.house()
    house.recharge(5)
    found = msgspec.msgpack.decode(ledger.supply(blocked=False), type=Evidence)
    assert tell(house, encode_evidence(FORGERIES[name](found)), "supply") == "COMMAND_UNPROVEN"
    assert house.supplied
    assert house.state.numbers.unproven == 1
    assert [one["kind"] for one in house.told("report")] == ["command_unproven"]
    house.use(KWH)
    assert house.balance_mwh == 4 * KWH


@pytest.mark.parametrize("evidence", [b"", b"garbage", b"\x97" + bytes(7), bytes(600_000)])
def test_what_is_no_evidence_is_refused(ledger: Saying, evidence: bytes) -> None:
    """Whatever the message says besides, also under kinds that used to be believed."""
    house = ledger.house()
    for kind in ("supply", "delivery", "display", "clock", "tariff", "share", "command", "anything"):
        payload = b'{"on":true,"text":"hello","action":"start","command":1,"trade":1,"true_ms":5}'
        house.do(Told(house.now_ms, kind, 1, payload, evidence))
        assert house.answers[-1].code == "COMMAND_UNPROVEN"
    assert house.state.message == ""
    assert house.relays["tie_out"] is False
    assert len(house.told("report")) == 7, "what a service wants displayed is no lie of the gateway"


def test_reports_of_inventions_are_bounded(ledger: Saying) -> None:
    """A gateway that goes on inventing fills nobody's ledger, and no reading is lost for it."""
    house = ledger.house()
    for number in range(3 * EXTRA_A_DAY):
        tell(house, b"x", "supply", number)
    assert house.state.numbers.unproven == 3 * EXTRA_A_DAY
    assert len(house.told("report")) == EXTRA_A_DAY


def test_what_another_ledger_says_is_nothing(ledger: Saying) -> None:
    """Its validators may be anybody."""
    assert tell(ledger.house(), Saying().supply(blocked=True), "supply") == "COMMAND_UNPROVEN"


def test_a_meter_without_validators_takes_tokens_and_no_commands(ledger: Saying) -> None:
    house = House(chain_id=ledger.chain_id)
    assert tell(house, ledger.supply(blocked=True), "supply") == "COMMAND_UNPROVEN"
    payload = msgspec.json.encode({"digits": house.credit_token(10)})
    house.do(Told(house.now_ms, "token", 8, payload))
    assert (house.answers[-1].code, house.balance_mwh) == ("OK", KWH)


def test_a_token_needs_no_proof_and_counts_once(ledger: Saying) -> None:
    """However often, under whatever number, by whichever gateway."""
    house = ledger.house()
    payload = msgspec.json.encode({"digits": house.credit_token(10)})
    codes = []
    for number in (5, 5, 6, 2**63 - 1):
        house.do(Told(house.now_ms, "token", number, payload))
        codes.append(house.answers[-1].code)
    assert codes == ["OK", "TOKEN_USED", "TOKEN_USED", "TOKEN_USED"]
    assert house.balance_mwh == KWH
    house.do(Told(house.now_ms, "token", 7, b"{}"))
    assert house.answers[-1].code == "TOKEN_MALFORMED"
    house.do(Told(house.now_ms, "token", 1, msgspec.json.encode({"digits": house.credit_token(20)})))
    assert house.balance_mwh == 3 * KWH, "no number keeps a token out"


def test_anothers_command_is_not_ours(ledger: Saying) -> None:
    house = ledger.house()
    assert tell(house, ledger.supply(blocked=True, meter="cd" * 32), "supply") == "COMMAND_FOREIGN"
    assert not house.state.supply.blocked
    assert tell(house, ledger.say("LowCredit", "prepaid", meter=METER)[0]) == "COMMAND_UNKNOWN"
    assert tell(house, ledger.say("SupplyBlocked", "prepaid2", meter=METER)[0]) == "COMMAND_UNKNOWN"


def test_an_old_block_of_the_supply_does_not_undo_a_newer_word(ledger: Saying) -> None:
    """A gateway that repeats, delays or exchanges what was said changes nothing."""
    house = ledger.house()
    house.recharge(5)
    blocked, opened = ledger.supply(blocked=True), ledger.supply(blocked=False)
    assert tell(house, opened, "supply") == "OK"
    assert tell(house, blocked, "supply") == "COMMAND_OLD"
    assert tell(house, opened, "supply") == "OK"
    assert house.supplied
    assert len(house.told("answer_supply")) == 1


def test_the_utilitys_commands_are_done_in_order_once_and_answered(ledger: Saying) -> None:
    """Each by a signed transaction with its code; one that is missing is noticed, and does not come late."""
    house = ledger.house()
    said = [ledger.command(number, "message", text=f"number {number}") for number in range(1, 5)]
    assert tell(house, said[0]) == "OK"
    assert tell(house, said[3]) == "OK"
    assert tell(house, said[3]) == "OK"
    assert tell(house, said[1]) == "COMMAND_OLD"
    assert house.state.message == "number 4"
    assert house.told("answer") == [{"number": 1, "code": "OK"}, {"number": 4, "code": "OK"}]
    assert [one["detail"] for one in house.told("report")] == ["2 to 3"]
    assert tell(house, ledger.command(5, "terms", low_mwh=-1)) == "AMOUNT"
    assert house.told("answer")[-1] == {"number": 5, "code": "AMOUNT"}
    assert tell(house, ledger.command(6, "explode")) == "COMMAND_UNKNOWN"
    assert house.told("answer")[-1] == {"number": 6, "code": "COMMAND_UNKNOWN"}, "or nothing would be told after it"
    house.restart()
    assert tell(house, said[3]) == "OK"
    assert len(house.told("answer")) == 4


def test_a_command_that_could_not_be_answered_is_not_done(ledger: Saying) -> None:
    """It is told again when there is room."""
    house = ledger.house()
    for at in range(OUTBOX - 2):
        house.wire(house.credit_token(1, 2_000 + at))
    assert len(house.state.outbox) > OUTBOX - 3
    evidence = ledger.command(1, "message", text="hello")
    assert tell(house, evidence) == "OUTBOX_FULL"
    assert house.state.message == ""
    house.link()
    house.receipt_all()
    assert tell(house, evidence) == "OK"


def test_the_clock_goes_back_by_command_only_and_is_never_behind_a_certified_block(ledger: Saying) -> None:
    """The command carries no time of its own: its block has one, which nobody at the gateway chooses."""
    house = ledger.house(now_ms=ledger.chain.store.head.time_ms + 400 * 86_400_000)
    evidence = ledger.command(1, "clock")
    certified_ms = ledger.chain.store.head.time_ms
    assert tell(house, evidence) == "OK"
    assert house.now_ms + house.state.clock.offset_ms == certified_ms
    late = ledger.house(now_ms=certified_ms - 86_400_000)
    tell(late, ledger.command(1, "message", text="hello"))
    assert late.now_ms + late.state.clock.offset_ms == ledger.chain.store.head.time_ms


def test_a_delivery_of_long_ago_does_not_begin_but_ends(ledger: Saying) -> None:
    """However the gateway has delayed it, no relay closes for it; one that is open stays so."""

    def delivery(number: int, action: str) -> bytes:
        fields = {"command": number, "trade": 1, "device": METER, "action": action, "text": ""}
        return ledger.say("DeliveryCommanded", "settlement", **fields)[0]

    house = ledger.house(prepaid=False, now_ms=ledger.chain.store.head.time_ms)
    assert tell(house, delivery(1, "start"), "delivery") == "OK"
    assert house.relays["tie_out"]
    second, stop = delivery(2, "in"), delivery(3, "stop")
    house.now_ms += DELIVERY_MS + 60_000
    assert tell(house, second, "delivery") == "COMMAND_OLD"
    assert tell(house, stop, "delivery") == "OK"
    assert (house.relays["tie_in"], house.relays["tie_out"]) == (False, False)


def test_a_share_that_no_wallet_asked_for_takes_no_units(ledger: Saying) -> None:
    house = ledger.house(now_ms=ledger.chain.store.head.time_ms)
    house.recharge(5)
    asked = {"share": 9, "recipient_pan": OTHER_PAN, "energy_mwh": KWH, "until_ms": house.now_ms + 60_000}
    house.do(Told(house.now_ms, "share", 9, msgspec.json.encode({"meter": METER, **asked})))
    assert (house.answers[-1].code, house.balance_mwh) == ("COMMAND_UNPROVEN", 5 * KWH)
    evidence, _ = ledger.say("ShareRequested", "prepaid", meter=METER, **asked)
    assert tell(house, evidence, "share") == "OK"
    assert tell(house, evidence, "share", 77) == "OK", "the same answer, whatever the gateway calls it"
    assert house.balance_mwh == 4 * KWH


def test_validators_change_and_the_meter_follows(ledger: Saying) -> None:
    """Each change is certified by those before; what an earlier set has said may arrive later. Nothing is skipped."""
    own = Saying()
    house, fresh = own.house(), own.house()
    early = own.supply(blocked=True)
    own.change()
    own.change()
    assert tell(house, own.supply(blocked=True), "supply") == "OK"
    assert [parse_set(one).epoch for one in house.state.trust] == [0, 1, 2]
    house.restart()
    assert tell(house, early, "supply") == "COMMAND_OLD"
    for _ in range(SETS):
        own.change()
    assert tell(house, own.supply(blocked=False), "supply") == "OK"
    assert len(house.state.trust) == SETS
    found = msgspec.msgpack.decode(own.supply(blocked=True), type=Evidence)
    gap = msgspec.structs.replace(found, handovers=(*found.handovers[:1], *found.handovers[2:]))
    assert tell(fresh, encode_evidence(gap), "supply") == "COMMAND_UNPROVEN"
    assert tell(fresh, encode_evidence(msgspec.structs.replace(found, handovers=())), "supply") == "COMMAND_UNPROVEN"
    assert tell(fresh, encode_evidence(found), "supply") == "OK"


def test_evidence_is_small(ledger: Saying) -> None:
    """What a command costs on a thin link, four validators."""
    assert len(ledger.house().state.trust[0]) < 600
    assert len(Saying().supply(blocked=True)) < 1_000


def test_a_ledger_without_the_contract_of_commands_keeps_no_answers(ledger: Saying) -> None:
    """Answers that nobody waits for do not fill the outbox."""
    house = ledger.house()
    tell(house, ledger.supply(blocked=True), "supply")
    house.link()
    for outgoing in house.state.outbox:
        house.receipt(outgoing, "CONTRACT_UNKNOWN" if outgoing.contract == "commands" else "OK")
    assert house.told("answer_supply") == []
