"""What needs no broker: topics, payloads, acknowledging in order, refusals that do not shout, pauses that grow."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import Limits
from gateway.mqtt.flow import Acknowledgements, Refusals, pause_ms
from gateway.mqtt.said import read_said
from gateway.mqtt.topics import SAID, TOLD, Device, Kind, Topics, read_device
from gateway.v1 import gateway_pb2 as pb
from ledgernode.errors import BadRequest

TOPICS = Topics("market")
METER = Device("north", "M-1")
LIMITS = Limits(message_items=3, message_bytes=5_000)


# ---------------------------------------------------------------- topics


@pytest.mark.parametrize("kind", SAID)
def test_what_a_device_says_is_read_from_its_branch(kind: Kind) -> None:
    assert TOPICS.read(f"ledgernode/market/north/M-1/{kind}") == (METER, kind)
    assert TOPICS.of(METER, kind) == f"ledgernode/market/north/M-1/{kind}"


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "ledgernode/market/north/M-1",
        "ledgernode/market/north/M-1/transactions/more",
        "ledgernode/other/north/M-1/transactions",
        "ledgernode/market/North/M-1/transactions",
        "ledgernode/market/north/M 1/transactions",
        "ledgernode/market//M-1/transactions",
        "ledgernode/market/trades/feeder",
        "/ledgernode/market/north/M-1/transactions",
        *(f"ledgernode/market/north/M-1/{kind}" for kind in TOLD),
    ],
)
def test_other_topics_are_nobodys(topic: str) -> None:
    """Also those on which gateways speak: nobody is heard there."""
    assert TOPICS.read(topic) is None


@given(st.text())
def test_any_topic_is_read_or_nobodys(topic: str) -> None:
    found = TOPICS.read(topic)
    assert found is None or TOPICS.of(*found) == topic


def test_one_device_has_one_account_by_every_way() -> None:
    """The same lane as over its certificate, so that two contents under one number are noticed."""
    assert METER.sender() == ("north", "meter", "M-1")
    assert METER.sender(carries=True).carries


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("", "answers"),
        ("ledgernode/market/north/M-1/answers/7", "answers/7"),
        ("ledgernode/market/north/M-2/answers", "answers"),
        ("ledgernode/market/north/M-1", "answers"),
        ("ledgernode/market/north/M-1/commands", "answers"),
        ("ledgernode/market/north/M-1/#", "answers"),
        ("$SYS/broker", "answers"),
    ],
)
def test_an_answer_stays_on_the_devices_own_branch(asked: str, goes: str) -> None:
    assert TOPICS.answer_topic(METER, asked) == f"ledgernode/market/north/M-1/{goes}"


def test_a_feeders_name_makes_one_level() -> None:
    assert TOPICS.trades("TX/ALPHA+#\n09") == "ledgernode/market/trades/TX_ALPHA___09"
    assert TOPICS.trades("") == "ledgernode/market/trades/_"


@pytest.mark.parametrize("text", ["", "north", "north/", "/M-1", "north/M-1/x", "north/+", "#"])
def test_a_device_is_named_by_organisation_and_name(text: str) -> None:
    with pytest.raises(BadRequest):
        read_device(text)


# ---------------------------------------------------------------- payloads


def test_what_is_said_is_read() -> None:
    said = pb.Transactions(number=7, envelopes=[b"one", b"two"])
    assert read_said(Kind.TRANSACTIONS, said.SerializeToString(), LIMITS) == said
    assert read_said(Kind.HELLO, pb.Hello(devices=[bytes(32)]).SerializeToString(), LIMITS).devices == [bytes(32)]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.TRANSACTIONS, b""),
        (Kind.TRANSACTIONS, b"\xff\xff"),
        (Kind.TRANSACTIONS, pb.Transactions(envelopes=[b"x"] * 4).SerializeToString()),
        (Kind.TRANSACTIONS, pb.Transactions(envelopes=[bytes(5_000)]).SerializeToString()),
        (Kind.READINGS, pb.Readings(meter="m").SerializeToString()),
        (Kind.QUESTIONS, b""),
        (Kind.QUESTIONS, pb.Question(query=bytes(4_097)).SerializeToString()),
        (Kind.HELLO, pb.Hello(devices=[bytes(31)]).SerializeToString()),
        (Kind.HELLO, pb.Hello(devices=[bytes(32), bytes(32)]).SerializeToString()),
    ],
)
def test_what_says_nothing_or_too_much_is_refused(kind: Kind, payload: bytes) -> None:
    with pytest.raises(BadRequest):
        read_said(kind, payload, LIMITS)


@given(st.sampled_from(SAID), st.binary(max_size=1_200), st.booleans())
def test_garbage_is_refused_and_nothing_else(kind: Kind, payload: bytes, carries: bool) -> None:
    try:
        read_said(kind, payload, LIMITS, carries=carries)
    except BadRequest:
        return


# ---------------------------------------------------------------- acknowledgements


@given(st.lists(st.integers(1, 60_000), unique=True, max_size=40), st.randoms())
def test_messages_are_acknowledged_in_the_order_of_their_coming(numbers: list[int], dice: random.Random) -> None:
    """In whatever order they are dealt with; each once, and none before it is."""
    acknowledgements = Acknowledgements(100)
    assert all(acknowledgements.arrived(number) for number in numbers)
    acknowledged: list[int] = []
    done: set[int] = set()
    for number in dice.sample(numbers, len(numbers)):
        done.add(number)
        acknowledged += acknowledgements.done(number)
        assert set(acknowledged) <= done
    assert (acknowledged, len(acknowledgements)) == (numbers, 0)


def test_a_broker_that_sends_more_than_it_may_is_noticed() -> None:
    acknowledgements = Acknowledgements(2)
    assert [acknowledgements.arrived(number) for number in (1, 1, 2, 3)] == [True, False, True, False]
    acknowledgements.done(1)
    assert acknowledgements.arrived(1), "a number comes again when it is free"


# ---------------------------------------------------------------- refusals, pauses


def test_refusals_are_counted_and_said_once_in_a_while() -> None:
    refusals = Refusals(1_000)
    assert refusals.note("A", 0) == {"A": 1}
    assert [refusals.note(code, 999) for code in ("A", "B", "A")] == [{}, {}, {}]
    assert refusals.note("B", 1_000) == {"A": 2, "B": 2}
    assert refusals.counts == {"A": 3, "B": 2}


def test_refusals_of_many_kinds_take_no_more_room() -> None:
    refusals = Refusals(1_000)
    for number in range(1_000):
        refusals.note(f"CODE_{number}", 0)
    assert len(refusals.counts) == 101
    assert refusals.counts["other"] == 900


@given(st.integers(0, 10_000), st.integers())
def test_pauses_grow_up_to_a_limit_and_are_out_of_step(failures: int, dice: int) -> None:
    limits = Limits(broker_pause_start_ms=100, broker_pause_limit_ms=5_000)
    whole = min(100 * 2 ** min(failures, 20), 5_000)
    assert whole // 2 <= pause_ms(failures, limits, dice) <= whole


def test_two_gateways_come_back_at_different_times() -> None:
    assert len({pause_ms(9, Limits(), random.Random(seed).getrandbits(20)) for seed in range(50)}) > 40
