"""The replica's state machine: events in, one `Ready` out.

Theory of operation. The leader of a view (view mod N) gives each sequence a proposal; votes prepare,
commit and decide it (`ordering`). Decided sequences are delivered in order, several may be under way at
once. A leader that makes no progress is replaced: q view changes carry what was prepared into the next
view, where everyone recomputes what must be proposed again (`changing`, `view_change`). A replica that
starts first learns from its peers what it said before (`recalling`). Whoever falls behind is helped on
(`helping`).

Rules that all of it keeps:

* every vote, certificate and change of view is in `Ready.persist` before it is in `Ready.send`, so a
  restart says the same thing again and never another;
* in one view and phase a replica votes once for a sequence, and never in a view it has left;
* a proposal outside what the new view requires is refused, and its leader suspected;
* what is held is bounded by the window and the number of members, whatever they send.

Times are milliseconds of the event at hand; there is no other clock.
"""

from __future__ import annotations

from typing import Final

from ledgernode.consensus.engine import (
    CaughtUp,
    Certified,
    EpochEnds,
    Event,
    PassedOver,
    ProposalAvailable,
    Ready,
    Received,
    Shown,
    Started,
    Ticked,
    Validated,
    WorkWaiting,
)
from ledgernode.consensus.pbft.changing import ViewChanging
from ledgernode.consensus.pbft.helping import Helping
from ledgernode.consensus.pbft.messages import (
    Fetch,
    Message,
    NewView,
    PrePrepare,
    Proposal,
    Recall,
    Recalled,
    Relayed,
    Stable,
    Standing,
    ViewChange,
    Vote,
    decode,
)
from ledgernode.consensus.pbft.ordering import Ordering
from ledgernode.consensus.pbft.patience import Patience
from ledgernode.consensus.pbft.recalling import Recalling
from ledgernode.consensus.pbft.seat import Effects, Seat, Sign, Timing
from ledgernode.consensus.pbft.view_change import Rules
from ledgernode.wire.types import Height, TimeMs

__all__ = ["Pbft", "Timing"]

UNCERTIFIED_TIMEOUTS: Final = 4
"""A delivered block that is still uncertified after so many time-outs is agreed upon once more, in a new view."""


class Pbft:
    def __init__(self, rules: Rules, position: int, sign: Sign, base: Stable, timing: Timing) -> None:
        self._seat = Seat(rules, position, sign, base, timing)
        self._patience = Patience(timing)
        self._ordering = Ordering(self._seat, self._patience)
        self._changing = ViewChanging(self._seat, self._ordering, self._patience)
        self._recalling = Recalling(self._seat, self._ordering, self._changing)
        self._helping = Helping(self._seat, self._ordering, self._changing)
        self._repeat_at_ms = 0
        self._progressed_ms = 0
        self._certified = int(base.height)  # as far as the driver has said

    # ------------------------------------------------------------ what operators see

    @property
    def view(self) -> int:
        return self._seat.view

    @property
    def leader(self) -> int:
        return self._seat.leader

    @property
    def changing(self) -> bool:
        return self._seat.changing

    @property
    def silent(self) -> bool:
        """Does it wait for its peers' answers, or for blocks above what it may have forgotten?"""
        return self._seat.silent

    @property
    def muted_until(self) -> int:
        """The height below which it says nothing, having forgotten what it said; 0 when nothing is missing."""
        return self._recalling.muted.height if self._recalling.muted else 0

    # ------------------------------------------------------------ the one door

    def step(self, event: Event) -> Ready:
        seat = self._seat
        seat.now, seat.effects = event.now_ms, Effects()
        delivered, stable = seat.delivered, seat.stable.height
        self._handle(event)
        self._recalling.review()
        self._ordering.advance()
        if seat.effects.suspects:
            self._changing.suspect()
        if (seat.delivered, seat.stable.height) != (delivered, stable):
            self._progressed_ms = seat.now
        self._watch(progressed=seat.delivered > delivered)
        return self._ready()

    def _handle(self, event: Event) -> None:
        match event:
            case Received(sender=sender, message=raw):
                if sender != self._seat.position and 0 <= sender < self._seat.rules.members:
                    self._receive(sender, decode(raw))
            case Ticked():
                self._tick()
            case ProposalAvailable(envelopes=envelopes):
                self._ordering.propose(envelopes)
            case WorkWaiting(waiting=waiting):
                self._seat.waiting = waiting
            case Validated(digest=digest, holds=holds):
                self._ordering.validated(digest, holds)
            case Certified(height=height, header_hash=header_hash, certificate=certificate):
                self._certified = max(self._certified, height)
                self._ordering.stabilise(Stable(height, header_hash, certificate))
            case CaughtUp(height=height, time_ms=time_ms):
                self._ordering.caught_up(height, time_ms)
            case PassedOver():
                self._changing.suspect()
            case EpochEnds(last_height=last_height):
                self._ordering.end_at(last_height)
            case Started():
                self._restart(event)

    def _receive(self, sender: int, message: Message | None) -> None:
        """What is none, or another's words in this sender's mouth, is dropped."""
        match message:
            case Vote() if message.position == sender:
                self._ordering.voted(sender, message)
            case PrePrepare(vote=vote) if vote.position == sender:
                self._ordering.pre_prepared(sender, message)
            case Proposal():
                self._ordering.fetched(message)
            case Relayed(votes=votes):
                self._relayed(sender, votes[: 3 * self._seat.rules.members])
            case ViewChange() if message.position == sender:
                self._changing.take_view_change(message)
            case NewView():
                self._changing.take_new_view(message)
            case Stable() if message.height > self._seat.proven.height and self._seat.rules.stable_holds(message):
                self._ordering.prove(message)
            case Standing():
                self._helping.help(sender, message)
            case Fetch():
                self._helping.give(sender, message)
            case Recall() if self._helping.may_answer(sender, Recall):
                self._recalling.answer(sender, message)
            case Recalled():
                self._recalling.take(sender, message)
            case _:
                return

    def _relayed(self, sender: int, votes: tuple[Vote, ...]) -> None:
        self._ordering.relayed(votes)
        for vote in votes:
            if vote.position == self._seat.position:
                self._recalling.overhear(vote)
            else:
                self._ordering.voted(sender, vote)

    # ------------------------------------------------------------ time

    def _tick(self) -> None:
        if self._patience.is_over(self._seat.now):
            self._changing.leave_for(self._seat.view + 1)
        if self._seat.now >= self._repeat_at_ms:
            timing = self._seat.timing
            busy = self._seat.changing or self._recalling.is_asking or self._is_unfinished() or self._is_uncertified()
            self._repeat_at_ms = self._seat.now + (timing.resend_ms if busy else timing.standing_ms)
            self._helping.repeat()
            if self._recalling.is_asking:
                self._recalling.ask()
        self._changing.follow()
        self._ordering.touch()
        self._show()

    def _show(self) -> None:
        """Its votes may have come here too late, and those who had them may have lost their disks since."""
        proven = self._seat.proven
        if self._certified < proven.height <= self._seat.delivered and proven.certificate:
            self._seat.effects.shown = Shown(Height(proven.height), proven.certificate)

    def _watch(self, *, progressed: bool) -> None:
        """Arm, re-arm or disarm the time the leader has."""
        if progressed:
            self._patience.rewarded()
        if self._seat.silent:
            self._patience.rest()
        elif not self._seat.changing:
            if not self._is_unfinished():
                self._patience.rest()
            elif progressed or self._patience.deadline_ms is None:
                self._patience.begin(self._seat.now)

    def _is_unfinished(self) -> bool:
        """Is there anything that a leader should bring about?"""
        seat = self._seat
        over = seat.last_height is not None and seat.delivered >= seat.last_height
        if not over and (seat.waiting or self._ordering.under_way()):
            return True
        patient_until_ms = self._progressed_ms + UNCERTIFIED_TIMEOUTS * seat.timing.view_timeout_ms
        return self._is_uncertified() and seat.now >= patient_until_ms

    def _is_uncertified(self) -> bool:
        return self._seat.delivered > self._seat.stable.height

    # ------------------------------------------------------------ starting from disk

    def _restart(self, event: Started) -> None:
        """What the log holds, then what our peers hold of us."""
        seat = self._seat
        seat.delivered, seat.delivered_ms = event.height, event.time_ms
        self._progressed_ms = event.now_ms
        remembered = seat.journal.read(event.persisted, seat.rules, seat.position)
        if remembered.stable is not None and remembered.stable.height > seat.stable.height:
            seat.stable = seat.proven = remembered.stable
        begins = None if remembered.view is None else self._changing.restore(remembered.view)
        self._ordering.restore(remembered, begins)
        self._recalling.begin(damaged=remembered.damaged, muted=remembered.muted)

    # ------------------------------------------------------------ effects out

    def _ready(self) -> Ready:
        seat, effects = self._seat, self._seat.effects
        behind = seat.proven.height if seat.delivered < seat.proven.height else 0
        deadline_ms = self._patience.deadline_ms or self._repeat_at_ms
        return Ready(
            persist=seat.journal.take(),
            send=tuple(effects.send),
            deliver=tuple(effects.deliver),
            validate=tuple(effects.validate),
            evidence=tuple(effects.evidence),
            behind=Height(behind),
            shown=effects.shown,
            halt=effects.halt,
            wants_proposal=self._ordering.may_propose(),
            took_proposal=effects.took_proposal,
            released=effects.released,
            next_tick_ms=TimeMs(min(self._repeat_at_ms, deadline_ms)),
        )
