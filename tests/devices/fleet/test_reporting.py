"""A fleet's readings, as one process has them: nothing given up, nothing counted twice."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from devices.fleet.plan import Reading, Run, Schedule
from devices.fleet.reporting import Answer, Message, Reporting
from ledgernode.wire.receipt import OK

RUN = Run(first=1, rounds=3, begins_ms=10_000, every_ms=1_000)
PLACES = range(10, 15)
ALL = {(place, number) for place in PLACES for number in (1, 2, 3)}


def reporting(*, first: int = 1, fresh: int = 1) -> Reporting:
    return Reporting(Schedule([RUN], 7, PLACES), PLACES, first=first, fresh=fresh, after=RUN.after)


def take(one: Reporting, now_ms: int, most: int = 100) -> Message:
    message = one.taken(now_ms, most)
    assert message is not None
    return message


def answer(one: Reporting, message: Message, code: str = OK, *, now_ms: int = 20_000, retry_ms: int = 0) -> None:
    one.answered(message.number, [Answer(code, retry_ms)] * len(message.readings), now_ms)


def names(message: Message) -> list[tuple[int, int]]:
    return [(reading.place, reading.sequence) for reading in message.readings]


def test_readings_are_due_at_their_own_times() -> None:
    one = reporting()
    one.passed(9_999)
    assert one.taken(9_999, 100) is None
    found: list[Reading] = []
    for now_ms in range(10_000, 13_000):
        one.passed(now_ms)
        while (message := one.taken(now_ms, 100)) is not None:
            assert all(reading.time_ms == now_ms for reading in message.readings)
            found += message.readings
    assert {(reading.place, reading.sequence) for reading in found} == ALL
    assert len(found) == len(ALL) == one.counts.due
    assert one.next_ms() is None


def test_a_meters_readings_are_sent_in_order() -> None:
    one = reporting()
    one.passed(20_000)
    sent = names(take(one, 20_000))
    for place in PLACES:
        assert [number for other, number in sent if other == place] == [1, 2, 3]


def test_what_had_no_answer_is_sent_again_before_the_rest() -> None:
    one = reporting()
    one.passed(20_000)
    first, second = take(one, 20_000, 4), take(one, 20_000, 4)
    one.dropped()
    assert one.waiting == len(ALL)
    assert names(take(one, 20_000, 8)) == names(first) + names(second)
    assert one.counts.again == 8


def test_an_answer_to_a_message_of_a_broken_stream_is_nothing() -> None:
    one = reporting()
    one.passed(20_000)
    message = take(one, 20_000)
    one.dropped()
    answer(one, message)
    assert (one.counts.safe, one.waiting) == (0, len(ALL))


def test_what_may_be_taken_later_waits_as_long_as_it_was_told() -> None:
    one = reporting()
    one.passed(20_000)
    answer(one, take(one, 20_000), "OUTBOX_FULL", retry_ms=5_000)
    assert one.taken(24_999, 100) is None
    assert len(take(one, 25_000).readings) == len(ALL)
    assert not one.counts.refused


def test_what_was_refused_for_good_is_counted_and_not_sent_again() -> None:
    one = reporting()
    one.passed(20_000)
    answer(one, take(one, 20_000, 5), "SIGNATURE_INVALID")
    answer(one, take(one, 20_000))
    assert one.counts.refused == {"SIGNATURE_INVALID": 5}
    assert (one.counts.safe, one.all_safe, one.waiting) == (10, True, 0)


def test_a_round_is_safe_when_all_of_it_is() -> None:
    one = reporting()
    one.passed(10_999)
    first = take(one, 10_999, 4)
    assert one.safe_until == 1
    answer(one, first)
    assert one.safe_until == 1
    answer(one, take(one, 10_999))
    assert one.safe_until == 2


def test_an_outcome_counts_once_by_whichever_way_it_comes() -> None:
    """A reading that two gateways brought is told of twice; a repeat is no failure."""
    one = reporting()
    one.passed(20_000)
    message = take(one, 20_000)
    answer(one, message)
    for code in (OK, OK, "SEQUENCE_REPLAYED"):
        for reading in message.readings:
            one.settled(reading.place, reading.sequence, code, 21_000)
    assert (one.counts.committed, one.counts.repeated, one.counts.failed) == (15, 30, {})
    assert one.unheard == 0


def test_an_outcome_may_come_before_the_answer() -> None:
    one = reporting()
    one.passed(20_000)
    message = take(one, 20_000)
    for reading in message.readings:
        one.settled(reading.place, reading.sequence, OK, 20_500)
    one.dropped()
    answer(one, take(one, 20_000))
    assert (one.counts.committed, one.counts.safe, one.unheard) == (15, 15, 0)


def test_what_took_no_effect_is_told_by_its_code() -> None:
    one = reporting()
    one.passed(20_000)
    message = take(one, 20_000, 1)
    answer(one, message)
    one.settled(message.readings[0].place, message.readings[0].sequence, "metering.IN_FUTURE", 21_000)
    assert one.counts.failed == {"metering.IN_FUTURE": 1}


def test_a_second_life_sends_what_is_not_known_to_be_safe() -> None:
    """From the round that was not safe, with the same numbers and times; then it goes on."""
    one = reporting(first=2, fresh=3)
    one.passed(20_000)
    assert Counter(number for _, number in names(take(one, 20_000))) == {2: 5, 3: 5}


@pytest.mark.parametrize("seed", range(50))
def test_whatever_breaks_everything_is_safe_in_the_end_and_once(seed: int) -> None:
    chance, one, gateway = Random(seed), reporting(), Counter[tuple[int, int]]()
    now_ms, open_messages = 9_000, list[Message]()
    while not one.all_safe:
        now_ms += chance.randrange(50)
        one.passed(now_ms)
        if (message := one.taken(now_ms, chance.randrange(1, 6))) is not None:
            open_messages.append(message)
        if open_messages and chance.randrange(3) == 0:
            told = open_messages.pop(chance.randrange(len(open_messages)))
            code = chance.choice([OK, OK, "RATE_LIMITED", "NODE_STOPPING"])
            if code == OK:
                gateway.update(names(told))
            answer(one, told, code, now_ms=now_ms, retry_ms=chance.randrange(30))
        if chance.randrange(40) == 0:
            gateway.update(name for message in open_messages if chance.randrange(2) for name in names(message))
            open_messages.clear()
            one.dropped()
        assert now_ms < 60_000
    assert set(gateway) == ALL
    assert one.counts.safe == len(ALL)
    assert one.safe_until == RUN.after
