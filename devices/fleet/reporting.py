"""What is due, what is on its way, what is safe: the readings of some meters, as one process has them.

A pure core; time comes in with each event. A reading is due at its time, waits until it is taken into a message, and is
safe when a gateway says so. What a gateway does not answer, or may take later, waits again: nothing is given up but
what was refused for good. A device's readings are sent in the order of their numbers.

    passed     time went on              taken     a message to send now
    answered   a code for each reading   dropped   the connection broke: what had no answer waits again
    settled    what the ledger made of a reading
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from devices.fleet.counts import Counts
from devices.fleet.plan import Reading, Schedule
from ledgernode.errors import Broken, Exhausted, Late, SequenceReplayed, Unavailable, by_code
from ledgernode.wire.receipt import OK

PAUSE_MS: Final = 1_000
OPEN: Final = 1_000_000
"""Readings whose outcome is waited for; of more than these the outcomes are not told apart."""
_LATER: Final = (Unavailable, Late, Broken, Exhausted)


class Answer(NamedTuple):
    code: str
    retry_ms: int = 0


class Message(NamedTuple):
    number: int
    readings: tuple[Reading, ...]


class Reporting:
    """Rounds `first` up to, not including, `after`; those before `fresh` were due in an earlier life."""

    def __init__(self, schedule: Schedule, places: range, *, first: int, fresh: int, after: int) -> None:
        self.counts = Counts()
        self._schedule = schedule
        self._places = len(places)
        self._after = after
        self._unsafe = {sequence: len(places) for sequence in range(first, after) if places}
        self._ahead: deque[Reading] = deque()
        self._next_round = fresh
        self._waiting: deque[Reading] = deque()
        self._sent: dict[int, tuple[Reading, ...]] = {}
        self._number = 0
        self._rests_until_ms = 0
        self._open: dict[tuple[int, int], int] = {}
        self._early: set[tuple[int, int]] = set()
        for sequence in range(first, fresh):
            self._ahead.extend(schedule.of_round(sequence))
        self._look_ahead()

    # ------------------------------------------------------------ how far it is

    @property
    def waiting(self) -> int:
        """Due, and not safe."""
        return len(self._waiting) + sum(len(readings) for readings in self._sent.values())

    @property
    def unheard(self) -> int:
        """Sent, and what the ledger made of it was not told: perhaps the gateway is gone that would have."""
        return len(self._open)

    @property
    def all_safe(self) -> bool:
        """Was everything due, and is it safe (or refused)?"""
        return not (self._ahead or self._waiting or self._sent)

    @property
    def safe_until(self) -> int:
        """The first round of which something is not safe."""
        return min(self._unsafe, default=self._after)

    def next_ms(self) -> int | None:
        """When the next reading is due."""
        return self._ahead[0].time_ms if self._ahead else None

    # ------------------------------------------------------------ events

    def passed(self, now_ms: int) -> None:
        while self._ahead and self._ahead[0].time_ms <= now_ms:
            self._line_up([self._ahead.popleft()])
            self._look_ahead()

    def taken(self, now_ms: int, most: int) -> Message | None:
        """The next message, if there is something to say and no reason to wait."""
        if not self._waiting or now_ms < self._rests_until_ms:
            return None
        readings = tuple(self._waiting.popleft() for _ in range(min(most, len(self._waiting))))
        self._number += 1
        self._sent[self._number] = readings
        self.counts.sent += len(readings)
        for place, sequence, time_ms in readings:
            if len(self._open) < OPEN and (place, sequence) not in self._early:
                self._open[place, sequence] = time_ms
        return Message(self._number, readings)

    def answered(self, number: int, answers: Sequence[Answer], now_ms: int) -> None:
        readings = self._sent.pop(number, None)
        if readings is None:
            return  # of a stream that broke: they wait again
        later: list[Reading] = []
        for reading, answer in zip(readings, answers, strict=True):
            if answer.code == OK:
                self._is_safe(reading, now_ms)
            elif issubclass(by_code(answer.code), _LATER):
                later.append(reading)
                self._rests_until_ms = max(self._rests_until_ms, now_ms + (answer.retry_ms or PAUSE_MS))
            else:
                self.counts.refuse(answer.code)
                self._open.pop((reading.place, reading.sequence), None)
                self._done(reading)
        self._wait_again(later)

    def dropped(self) -> None:
        for number in sorted(self._sent, reverse=True):
            self._wait_again(self._sent.pop(number))

    def settled(self, place: int, sequence: int, code: str, now_ms: int) -> None:
        """Told once for each way that a reading took; the first one counts. It may come before the answer."""
        time_ms = self._open.pop((place, sequence), None)
        if time_ms is None or code == SequenceReplayed.code:
            self.counts.repeated += 1
            return
        if sequence in self._unsafe and self._is_on_its_way(place, sequence):
            self._early.add((place, sequence))
        if code == OK:
            self.counts.committed += 1
            self.counts.until_committed.add(now_ms - time_ms)
        else:
            self.counts.fail(code)

    # ------------------------------------------------------------ inside

    def _look_ahead(self) -> None:
        while not self._ahead and self._next_round < self._after:
            self._ahead.extend(self._schedule.of_round(self._next_round))
            self._next_round += 1

    def _line_up(self, readings: Sequence[Reading]) -> None:
        self.counts.due += len(readings)
        self._waiting.extend(readings)

    def _wait_again(self, readings: Sequence[Reading]) -> None:
        self.counts.again += len(readings)
        self._waiting.extendleft(reversed(readings))

    def _is_safe(self, reading: Reading, now_ms: int) -> None:
        self.counts.safe += 1
        self.counts.until_safe.add(now_ms - reading.time_ms)
        self._early.discard((reading.place, reading.sequence))
        self._done(reading)

    def _is_on_its_way(self, place: int, sequence: int) -> bool:
        """Without an answer yet? Asked of the newest rounds only, and of few messages."""
        return any((one.place, one.sequence) == (place, sequence) for sent in self._sent.values() for one in sent)

    def _done(self, reading: Reading) -> None:
        left = self._unsafe[reading.sequence] - 1
        if left:
            self._unsafe[reading.sequence] = left
        else:
            del self._unsafe[reading.sequence]
