"""What goes to a time-series store, and what its answers mean: no I/O."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.house.agent.collect import Collected, heard
from devices.house.agent.export import (
    FIRST_PAUSE_MS,
    LONGEST_PAUSE_MS,
    MOST,
    Sending,
    answered,
    happening_lines,
    sample_lines,
)
from devices.house.agent.log import Happening, Log, Sample

AT = 1_767_225_600_000


def test_samples_of_a_source_are_one_line() -> None:
    """Values of one time are one point, whole numbers stay whole, and times are nanoseconds."""
    samples = [
        Sample(AT, "battery", "level_micro", 500_000),
        Sample(AT, "meter", "import_mwh", 2**53 - 1),
        Sample(AT, "meter", "power_mw", -7),
        Sample(AT + 60_000, "meter", "power_mw", 8),
    ]
    assert sample_lines("north:h1", samples).decode().splitlines() == [
        f"home,house=north:h1,source=battery level_micro=500000i {AT}000000",
        f"home,house=north:h1,source=meter import_mwh=9007199254740991i,power_mw=-7i {AT}000000",
        f"home,house=north:h1,source=meter power_mw=8i {AT + 60_000}000000",
    ]


def test_names_that_would_end_a_line_do_not() -> None:
    """Whoever names a device writes no lines of his own."""
    lines = sample_lines("h 1", [Sample(1, "a,b=c d\\", "x\ny =", 1), Sample(1, "", "", 2)])
    assert (
        lines
        == b"home,house=h\\ 1,source=a\\,b\\=c\\ d_ x_y\\ \\==1i 1000000\nhome,house=h\\ 1,source=_ _=2i 1000000\n"
    )
    lines, _ = happening_lines("h1", [Happening(1, "alarm", 'say "no"\n\\')], {})
    assert lines == b'happened,house=h1,kind=alarm text="say \\"no\\"  " 1000000\n'


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["alarm", "order"])), max_size=30), st.integers(0, 30))
def test_no_two_happenings_of_a_kind_have_one_time(found: list[tuple[int, str]], cut: int) -> None:
    """Or the second would replace the first at the store; also over several times of asking."""
    happenings = [Happening(at_ms, kind, str(number)) for number, (at_ms, kind) in enumerate(found)]
    early, last = happening_lines("h1", happenings[:cut], {})
    late, _ = happening_lines("h1", happenings[cut:], last)
    lines = (early + late).decode().splitlines()
    points = {(line.split(" ")[0], line.rsplit(" ", 1)[1]) for line in lines}
    assert len(points) == len(lines) == len(happenings)


def test_the_log_says_what_is_new_since_a_number() -> None:
    """What has left the ring meanwhile is not said; nothing is said twice."""
    log = Log(60_000, samples=3, happenings=2)
    values = heard(Collected(), "meter", 0, {"power_mw": 1, "voltage_mv": 2})
    log.sample(0, values)
    log.happened(0, "order", "one")
    assert [sample.name for sample in log.samples_after(0)] == ["power_mw", "voltage_mv"]
    seen = log.sampled
    assert log.samples_after(seen) == ()
    log.sample(60_000, values)
    assert [sample.time_ms for sample in log.samples_after(seen)] == [60_000, 60_000]
    assert len(log.samples_after(0)) == 3
    for text in ("two", "three"):
        log.happened(0, "order", text)
    assert [each.text for each in log.happenings_after(1)] == ["two", "three"]
    assert [each.text for each in log.happenings_after(0)] == ["two", "three"]


def test_what_a_store_took_is_done_with() -> None:
    """And after a bad time more goes at once again."""
    verdict = answered(Sending(4, pause_ms=8_000), 4, 204, 0)
    assert (verdict.taken, verdict.set_aside, verdict.sending) == (4, 0, Sending(8))
    assert answered(Sending(), MOST, 200, 0).sending == Sending(MOST)


def test_a_store_that_is_away_is_waited_for_longer_each_time() -> None:
    """Within a bound; whatever it is: nobody there, broken, overloaded, or we are not let in."""
    sending, pauses = Sending(), []
    for status in (None, 500, 503, 429, 401, 404, None, None, None):
        verdict = answered(sending, 3, status, 10)
        sending = verdict.sending
        assert (verdict.taken, verdict.set_aside, sending.again_ms) == (0, 0, 10 + sending.pause_ms)
        pauses.append(sending.pause_ms)
    assert pauses[:4] == [FIRST_PAUSE_MS << number for number in range(4)]
    assert pauses[-1] == LONGEST_PAUSE_MS
    assert answered(sending, 3, 204, 10).sending.pause_ms == 0


@given(st.integers(1, 100), st.data())
def test_what_cannot_be_stored_is_found_and_holds_nothing_up(count: int, data: st.DataObject) -> None:
    """Exactly the records that a store refuses are set aside, all others arrive, in order."""
    bad = data.draw(st.sets(st.integers(0, count - 1)))
    waiting, taken, aside, sending = list(range(count)), [], [], Sending()
    for _ in range(40 * (len(bad) + 1)):
        batch = waiting[: sending.records]
        if not batch:
            break
        verdict = answered(sending, len(batch), 400 if bad & set(batch) else 204, 0)
        sending = verdict.sending
        taken += batch[: verdict.taken]
        aside += batch[: verdict.set_aside]
        waiting = waiting[verdict.taken + verdict.set_aside :]
    assert (waiting, set(aside)) == ([], bad)
    assert taken == [number for number in range(count) if number not in bad]
