"""The state machine of a validator that follows a log: events in, one `Ready` out.

Theory of operation. Whoever has admitted transactions publishes them as a signed `Cut`. The log puts every message at a
sequence, the same for all, and that is the height of its block. A message that is no sound cut of a member of this
epoch, for this stream, with envelopes that hold, gives an empty block: so nobody ever needs to agree on what to skip,
and whoever has fetched blocks up to a height knows where to read on.

What the log is trusted with is order. It cannot forge what a member cut or a client signed; validators that it shows
different orders get different headers, and their certificates do not come about. It is never taken for another one:
the stream that was seen first is on disk before anything is published, and a log that is another stream, that has lost
a message in between, or that ends before what was delivered, halts the validator, loudly. A log that cannot be reached,
or has only forgotten what is old, does not: the validator waits, or fetches blocks from the others.

Time. A cut's own time counts within a bound of the time at which the log took it, so that neither a member nor a late
message moves the chain's clock; both stand in the log, so all compute the same. A block from the future waits until our
clock is near it: the log may hold time back, not run it ahead.

Progress. What we have published is said again, under the same id, until it is seen in the log; the log is asked again
when it is silent. Nothing is delivered further than a window above what is certified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from ledgernode.consensus.engine import (
    CaughtUp,
    Certified,
    EpochEnds,
    Event,
    LogEntry,
    ProposalAvailable,
    Ready,
    Received,
    Send,
    Started,
    Ticked,
    Validate,
    Validated,
)
from ledgernode.consensus.jetstream.line import Item, Line
from ledgernode.consensus.jetstream.messages import (
    CUT_OVERHEAD,
    ENVELOPE_OVERHEAD,
    LOG,
    Cut,
    Entry,
    Opened,
    Publish,
    Read,
    decode,
    encode,
    signed_bytes,
)
from ledgernode.wire.block import Batch
from ledgernode.wire.types import SIGNATURE_BYTES, ChainId, Epoch, Height, TimeMs, sha256

Sign = Callable[[bytes], bytes]
Verify = Callable[[int, bytes, bytes], bool]

STREAM: Final = b"stream"
"""The one promise on disk: which stream this validator follows."""
WINDOW: Final = 64
"""Delivered, and not certified yet."""
LINE: Final = 256
"""Read, and not delivered yet."""
OWN_CUTS: Final = 8
"""Published, and not seen in the log yet."""
TICK_MS: Final = 500
SILENCE_MS: Final = 3_000
"""The log is asked again when it says nothing for so long."""
RESEND_MS: Final = 2_000
LOST_MS: Final = 10_000
"""What the log lacks must be missing for so long, in one reading after another: its leader may be a new one."""
LOST_READINGS: Final = 3
EMPTY_PATIENCE_MS: Final = 200
"""Between one member's turn to publish an empty cut, for a timer, and the next one's."""


class Jetstream:
    """Of one epoch. `bound_ms` is how far a cut's own time may be from the log's; it is the same for all."""

    def __init__(
        self,
        *,
        chain_id: ChainId,
        epoch: Epoch,
        members: int,
        position: int,
        sign: Sign,
        verify: Verify,
        base_height: Height,
        bound_ms: int,
    ) -> None:
        self._chain_id = chain_id
        self._epoch = epoch
        self._members = members
        self._position = position
        self._sign = sign
        self._verify = verify
        self._bound_ms = bound_ms
        self._stream = b""
        self._opened: Opened | None = None
        self._line = Line(LINE)
        self._expected = 1
        self._time_ms = 0
        self._certified = int(base_height)
        self._last_height: int | None = None
        self._own: dict[bytes, Publish] = {}
        self._said_ms: dict[bytes, int] = {}
        self._empty_ms: int | None = None
        self._heard_ms = self._told_ms = self._asked_ms = 0
        self._is_rereading = self._overflown = False
        self._missing: _Missing | None = None
        self._tick_ms = 0
        self._now = TimeMs(0)
        self._halt = ""
        self._begin()

    def _begin(self) -> None:
        self._persist: list[LogEntry] = []
        self._send: list[Send] = []
        self._deliver: list[Batch] = []
        self._validate: list[Validate] = []
        self._took = self._released = False
        self._behind = Height(0)
        self._wait_until_ms: int | None = None

    # ------------------------------------------------------------ what operators see

    @property
    def stream(self) -> bytes:
        """Which stream is followed; empty before the log was reached for the first time."""
        return self._stream

    @property
    def log_height(self) -> int:
        """The last sequence that the log is known to hold."""
        return 0 if self._opened is None else max(self._opened.last, self._expected - 1)

    @property
    def unseen_cuts(self) -> int:
        """Published and not seen in the log yet."""
        return len(self._own)

    # ------------------------------------------------------------ the one door

    def step(self, event: Event) -> Ready:
        self._now = event.now_ms
        self._begin()
        if self._halt:
            return Ready(halt=self._halt)
        self._handle(event)
        self._deliver_ready()
        self._read_on()
        return Ready(
            persist=tuple(self._persist),
            send=tuple(self._send),
            deliver=tuple(self._deliver),
            validate=tuple(self._validate),
            behind=self._behind,
            halt=self._halt,
            wants_proposal=self._may_publish(),
            took_proposal=self._took,
            released=self._released,
            next_tick_ms=self._next_tick_ms(),
        )

    def _handle(self, event: Event) -> None:
        match event:
            case Received(sender=sender, message=raw):
                if sender == LOG:
                    self._hear(raw)
            case Ticked():
                self._tick()
            case ProposalAvailable(envelopes=envelopes):
                self._offered(envelopes)
            case Validated(digest=digest, holds=holds):
                self._line.checked(digest, holds=holds)
            case Certified(height=height):
                self._certified = max(self._certified, height)
            case CaughtUp(height=height, time_ms=time_ms):
                self._caught_up(height, time_ms)
            case EpochEnds(last_height=last_height):
                self._last_height = last_height
            case Started():
                self._start(event)

    def _start(self, event: Started) -> None:
        known = {entry.key: entry.record for entry in (*event.former, *event.persisted)}
        self._stream = known.get(STREAM, b"")
        if self._stream and STREAM not in {entry.key for entry in event.persisted}:
            self._persist.append(LogEntry(STREAM, self._stream))
        self._line.skip_to(event.height + 1)
        self._expected = self._line.next
        self._time_ms = event.time_ms
        self._tick_ms = event.now_ms
        self._ask()

    # ------------------------------------------------------------ the log speaks

    def _hear(self, raw: bytes) -> None:
        self._heard_ms = self._now
        match decode(raw):
            case Opened() as opened:
                self._open(opened)
            case Entry() as entry if self._opened is not None:
                self._take(entry)
            case _:
                pass

    def _open(self, opened: Opened) -> None:
        """It says what it is: the one that we follow, whole from where we stand, or else we stop."""
        if self._stream and opened.stream != self._stream:
            theirs, ours = opened.stream.hex()[:16], self._stream.hex()[:16]
            self._halt = f"the log is another stream, {theirs}, than the one that was followed, {ours}"
            return
        delivered = self._line.next - 1
        if opened.last < delivered:
            self._lacks(opened.last + 1, f"the log ends at {opened.last}, block {delivered} was ordered by it")
            return
        if not self._stream:
            self._stream = opened.stream
            self._persist.append(LogEntry(STREAM, self._stream))
        self._opened = opened
        if opened.first > self._line.next:
            self._behind = Height(opened.first - 1)  # those messages are gone: others have their blocks
        if not opened.begins:
            return
        self._is_rereading = self._overflown = False
        self._expected = self._line.is_read_up_to(max(self._line.next, opened.first)) + 1
        if self._missing is not None and self._missing.sequence != self._expected:
            self._missing = None

    def _take(self, entry: Entry) -> None:
        digest = sha256(entry.payload)
        if self._line.contradicts(entry, digest):
            self._halt = f"the log says two things at sequence {entry.sequence}"
        elif entry.sequence > self._expected and not (self._is_rereading or self._overflown):
            self._lacks(self._expected, f"the log has lost message {self._expected}: {entry.sequence} came instead")
            self._is_rereading = True
            self._ask()
        elif entry.sequence == self._expected:
            if not self._line.has_room(entry.sequence):
                self._overflown = True
                return
            self._missing = None
            self._told_ms = self._now
            self._expected += 1
            self._line.put(entry.sequence, self._item(entry, digest))
        self._seen(digest)

    def _lacks(self, sequence: int, reason: str) -> None:
        """Something is not there. A new leader of the log may not show all of it yet; then this passes."""
        if self._missing is None or self._missing.sequence != sequence or self._now < self._missing.since_ms:
            self._missing = _Missing(sequence, self._now, 0)
        self._missing = msgspec.structs.replace(self._missing, readings=self._missing.readings + 1)
        if self._missing.readings >= LOST_READINGS and self._now - self._missing.since_ms >= LOST_MS:
            self._halt = reason

    def _item(self, entry: Entry, digest: bytes) -> Item:
        """What is there: a sound cut's envelopes, to be checked, or nothing."""
        cut = self._sound_cut(entry.payload)
        if cut is None:
            return Item(digest, entry.time_ms, entry.time_ms, (), True)
        time_ms = min(max(cut.time_ms, entry.time_ms - self._bound_ms), entry.time_ms + self._bound_ms)
        if not cut.envelopes:
            return Item(digest, entry.time_ms, time_ms, (), True)
        self._validate.append(Validate(digest, cut.envelopes))
        return Item(digest, entry.time_ms, time_ms, cut.envelopes, None)

    def _sound_cut(self, payload: bytes) -> Cut | None:
        cut = decode(payload)
        if not isinstance(cut, Cut) or (cut.stream, cut.epoch) != (self._stream, self._epoch):
            return None
        message = signed_bytes(self._chain_id, self._epoch, cut)
        return cut if cut.author < self._members and self._verify(cut.author, message, cut.signature) else None

    def _seen(self, digest: bytes) -> None:
        if self._own.pop(digest, None) is not None:
            del self._said_ms[digest]

    # ------------------------------------------------------------ delivering

    def _deliver_ready(self) -> None:
        while not self._halt:
            height = self._line.next
            item = self._line.head()
            if item is None or height > self._highest():
                return
            time_ms = max(self._time_ms + 1, item.time_ms)
            if time_ms > self._now + self._bound_ms:
                self._wait_until_ms = time_ms - self._bound_ms
                return
            self._line.advance()
            self._time_ms = time_ms
            self._empty_ms = None  # the driver offers it again if a timer is still due
            envelopes = item.envelopes if item.holds else ()
            self._deliver.append(Batch(self._epoch, Height(height), TimeMs(time_ms), envelopes))

    def _highest(self) -> int:
        highest = self._certified + WINDOW
        return highest if self._last_height is None else min(highest, self._last_height)

    def _caught_up(self, height: Height, time_ms: TimeMs) -> None:
        """Blocks were fetched: ours may lie in them, so what still waits is to be offered again."""
        self._certified = max(self._certified, height)
        if height < self._line.next:
            return
        self._line.skip_to(height + 1)
        self._time_ms = time_ms
        self._own, self._said_ms = {}, {}
        self._empty_ms = None
        self._released = True
        self._expected = self._line.is_read_up_to(self._line.next) + 1
        self._overflown, self._is_rereading = False, True
        self._ask()

    # ------------------------------------------------------------ publishing

    def _may_publish(self) -> bool:
        return (
            not self._halt
            and self._opened is not None
            and len(self._own) < OWN_CUTS
            and self._line.next <= self._highest()
        )

    def _offered(self, envelopes: tuple[bytes, ...]) -> None:
        if not self._may_publish():
            return
        if envelopes:
            self._took = True
            for piece in self._pieces(envelopes):
                self._publish(piece)
        elif self._empty_ms is None:
            turn = (self._position - self._line.next) % self._members
            self._empty_ms = self._now + turn * EMPTY_PATIENCE_MS
            self._publish_empty()

    def _publish_empty(self) -> None:
        """A timer is due, for all of us at once: each leaves those before it some time."""
        if self._empty_ms is not None and self._now >= self._empty_ms and self._may_publish():
            self._empty_ms = self._now + self._members * EMPTY_PATIENCE_MS
            self._publish(())

    def _pieces(self, envelopes: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
        """As many to a message as it has room for; one that has none alone goes alone."""
        assert self._opened is not None, "nothing is published before the log was reached"
        room_bytes = self._opened.payload_bytes - CUT_OVERHEAD
        begin = size_bytes = 0
        for end, envelope in enumerate(envelopes):
            size_bytes += len(envelope) + ENVELOPE_OVERHEAD
            if size_bytes > room_bytes and end > begin:
                yield envelopes[begin:end]
                begin, size_bytes = end, len(envelope) + ENVELOPE_OVERHEAD
        yield envelopes[begin:]

    def _publish(self, envelopes: tuple[bytes, ...]) -> None:
        unsigned = Cut(
            self._stream,
            self._epoch,
            self._position,
            self._line.next - 1,
            self._now,
            envelopes,
            bytes(SIGNATURE_BYTES),
        )
        signature = self._sign(signed_bytes(self._chain_id, self._epoch, unsigned))
        payload = encode(msgspec.structs.replace(unsigned, signature=signature))
        digest = sha256(payload)
        self._own[digest] = Publish(digest, payload)
        self._say(digest)

    def _say(self, digest: bytes) -> None:
        self._said_ms[digest] = self._now
        self._send.append(Send(encode(self._own[digest]), (LOG,)))

    # ------------------------------------------------------------ time passes

    def _tick(self) -> None:
        self._tick_ms = self._now + TICK_MS
        if self._has_passed(self._asked_ms, SILENCE_MS) and self._misses_something():
            self._ask()
        for digest in [digest for digest, said_ms in self._said_ms.items() if self._has_passed(said_ms, RESEND_MS)]:
            self._say(digest)
        self._publish_empty()

    def _misses_something(self) -> bool:
        """The log is silent, or holds more than it tells us."""
        if self._is_rereading or self._has_passed(self._heard_ms, SILENCE_MS):
            return True
        tells_nothing = self._has_passed(self._told_ms, SILENCE_MS)
        return tells_nothing and not self._overflown and self.log_height >= self._expected

    def _has_passed(self, since_ms: int, for_ms: int) -> bool:
        """Also when the clock was put back meanwhile."""
        return not since_ms <= self._now < since_ms + for_ms

    def _read_on(self) -> None:
        """There is room again, and not for a little only, for what did not fit."""
        if self._overflown and self._line.has_room(self._expected + LINE // 2):
            self._overflown = False
            self._is_rereading = True
            self._ask()

    def _ask(self) -> None:
        self._asked_ms = self._now
        self._send.append(Send(encode(Read(self._expected - 1)), (LOG,)))

    def _next_tick_ms(self) -> TimeMs | None:
        if self._halt:
            return None
        due = [at for at in (self._wait_until_ms, self._empty_ms) if at is not None and at > self._now]
        return TimeMs(min([self._tick_ms, *due]))


class _Missing(msgspec.Struct, frozen=True):
    """What the log lacks at a sequence, since when, and in how many readings."""

    sequence: int
    since_ms: int
    readings: int
