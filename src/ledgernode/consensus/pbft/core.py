"""The replica's state machine: events in, one `Ready` out.

Theory of operation. The leader of a view (view mod N) gives each sequence a proposal. A replica that
finds it acceptable votes PREPARE; with q votes it is *prepared* there, remembers the certificate and
votes COMMIT; q COMMITs decide, in whatever view they were cast. Decided sequences are delivered in
order, several may be under way at once. A leader that makes no progress is replaced: q view changes
carry what was prepared into the next view, where everyone recomputes what must be proposed again.

Rules this module keeps:

* every vote, certificate and change of view is in `Ready.persist` before it is in `Ready.send`, so a
  restart says the same thing again and never another;
* in one view and phase a replica votes once for a sequence, and never in a view it has left;
* a proposal outside what the new view requires is refused, and its leader suspected;
* time-outs double from view to view up to a bound and come back down with the first delivery;
* whoever falls behind is told by its peers' `Standing`, again and again: a healed partition goes on.

Times are milliseconds of the event at hand; there is no other clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final

import msgspec

from ledgernode.consensus.engine import (
    CaughtUp,
    Certified,
    EpochEnds,
    Event,
    Evidence,
    LogEntry,
    PassedOver,
    ProposalAvailable,
    Ready,
    Received,
    Send,
    Started,
    Ticked,
    Validate,
    Validated,
    WorkWaiting,
)
from ledgernode.consensus.pbft.messages import (
    Fetch,
    Message,
    NewView,
    Phase,
    Prepared,
    PrePrepare,
    Proposal,
    Stable,
    Standing,
    ViewChange,
    Vote,
    decode,
    encode,
    no_op,
)
from ledgernode.consensus.pbft.slot import Slot
from ledgernode.consensus.pbft.view_change import (
    Outcome,
    Rules,
    fault_in_new_view,
    fault_in_view_change,
    outcome,
    prepared_holds,
)
from ledgernode.wire.block import Batch
from ledgernode.wire.types import Height, TimeMs

Sign = Callable[[bytes], bytes]

EARLY_MESSAGES: Final = 256
HELP_SEQUENCES: Final = 8
_VIEW_KEY: Final = b"view"


class Timing(msgspec.Struct, frozen=True):
    """Bounds of one replica; units last."""

    view_timeout_ms: int = 4_000
    view_timeout_limit_ms: int = 60_000
    resend_ms: int = 400
    standing_ms: int = 2_000
    clock_skew_ms: int = 500
    in_flight: int = 8


class Status(Enum):
    NORMAL = "normal"
    CHANGING = "changing"


class Pbft:
    def __init__(self, rules: Rules, position: int, sign: Sign, base: Stable, timing: Timing) -> None:
        self._rules = rules
        self._position = position
        self._sign = sign
        self._timing = timing
        self._stable = base
        self._now = TimeMs(0)

        self._view = 0
        self._status = Status.NORMAL
        self._attempts = 0
        self._deadline: int | None = None
        self._quiet_until = 0
        self._new_view: NewView | None = None
        self._view_changes: dict[int, ViewChange] = {}
        self._outcome = Outcome(base, {})
        self._early: deque[tuple[int, Message]] = deque(maxlen=EARLY_MESSAGES)

        self._slots: dict[int, Slot] = {}
        self._delivered = int(base.height)
        self._delivered_ms = TimeMs(0)
        self._last_height: int | None = None
        self._next = 0
        self._proposed_ms = TimeMs(0)
        self._waiting = False
        self._asked: dict[bytes, int] = {}
        self._effects = _Effects()

    # ------------------------------------------------------------ what operators see

    @property
    def view(self) -> int:
        return self._view

    @property
    def leader(self) -> int:
        return self._rules.leader(self._view)

    @property
    def changing(self) -> bool:
        return self._status is Status.CHANGING

    # ------------------------------------------------------------ the one door

    def step(self, event: Event) -> Ready:
        self._now = event.now_ms
        self._effects = _Effects()
        delivered = self._delivered
        match event:
            case Received(sender=sender, message=raw):
                self._receive(sender, decode(raw))
            case Ticked():
                self._tick()
            case ProposalAvailable(envelopes=envelopes):
                self._propose(envelopes)
            case WorkWaiting(waiting=waiting):
                self._waiting = waiting
            case Validated(digest=digest, holds=holds):
                self._validated(digest, holds)
            case Certified(height=height, header_hash=header_hash, certificate=certificate):
                self._stabilise(Stable(height, header_hash, certificate))
            case CaughtUp(height=height, time_ms=time_ms):
                self._caught_up(height, time_ms)
            case PassedOver():
                self._suspect()
            case EpochEnds(last_height=last_height):
                self._last_height = last_height
            case Started():
                self._restart(event)
        self._advance()
        self._watch(progressed=self._delivered > delivered)
        return self._ready()

    # ------------------------------------------------------------ messages in

    def _receive(self, sender: int, message: Message | None) -> None:
        match message:
            case Vote() if message.position == sender:
                self._count(sender, message)
            case PrePrepare(vote=vote, proposal=proposal) if vote.position == sender:
                self._pre_prepare(sender, vote, proposal)
            case Proposal():
                self._fetched(message)
            case ViewChange() if message.position == sender:
                self._take_view_change(message)
            case NewView():
                self._take_new_view(message)
            case Fetch(sequence=sequence, digest=digest):
                slot = self._slots.get(sequence)
                if slot is not None and digest in slot.proposals:
                    self._effects.tell(slot.proposals[digest], sender)
            case Stable() if message.height > self._stable.height and self._rules.stable_holds(message):
                self._stabilise(message)
            case Standing():
                self._help(sender, message)
            case _:
                return  # not a message, or another's words in this sender's mouth: dropped

    def _pre_prepare(self, sender: int, vote: Vote, proposal: Proposal) -> None:
        if vote.phase is not Phase.PRE_PREPARE or proposal.sequence != vote.sequence:
            return
        if self._is_early(sender, vote, PrePrepare(vote, proposal)):
            return
        slot = self._slot(vote.sequence)
        if slot is None or vote.digest != self._rules.scope.digest(proposal):
            return
        self._count(sender, vote)
        if slot.pre_prepare is not None and slot.pre_prepare.digest == vote.digest:
            slot.keep(vote.digest, proposal)

    def _count(self, sender: int, vote: Vote) -> None:
        slot = self._slot(vote.sequence)
        if slot is None or slot.knows(vote):
            return
        if vote.phase is not Phase.COMMIT:
            if self._is_early(sender, vote, vote) or vote.view != self._view or self.changing:
                return
            if (vote.phase is Phase.PRE_PREPARE) != (vote.position == self.leader):
                return
        message = self._rules.scope.vote(vote.phase, vote.view, vote.sequence, vote.digest)
        if not self._rules.verify(vote.position, message, vote.signature):
            return
        contradicted = slot.count(vote)
        if contradicted is not None:
            self._effects.evidence.append(Evidence(vote.position, encode(contradicted), encode(vote)))

    def _is_early(self, sender: int, vote: Vote, message: Message) -> bool:
        """Keep for later what belongs to a view we have yet to enter."""
        early = vote.view > self._view or (vote.view == self._view and self.changing)
        if early and vote.phase is not Phase.COMMIT:
            self._early.append((sender, message))
        return early

    def _fetched(self, proposal: Proposal) -> None:
        slot = self._slot(proposal.sequence)
        digest = self._rules.scope.digest(proposal)
        if slot is not None and digest in self._needed(slot):
            slot.keep(digest, proposal)

    def _needed(self, slot: Slot) -> set[bytes]:
        wanted = {slot.decided, self._outcome.required.get(slot.sequence)}
        wanted.add(slot.pre_prepare.digest if slot.pre_prepare else None)
        return {digest for digest in wanted if digest is not None}

    def _validated(self, digest: bytes, holds: bool) -> None:
        for slot in self._slots.values():
            if digest in slot.proposals:
                slot.holds[digest] = holds

    # ------------------------------------------------------------ ordering

    def _propose(self, envelopes: tuple[bytes, ...]) -> None:
        """Lead: give the next sequence to these envelopes. The driver has checked them already."""
        if not self._may_propose():
            return
        sequence = self._next_sequence()
        self._proposed_ms = TimeMs(max(self._now, self._proposed_ms + 1, self._delivered_ms + 1))
        proposal = Proposal(sequence, self._proposed_ms, envelopes)
        digest = self._rules.scope.digest(proposal)
        slot = self._slots.setdefault(sequence, Slot(sequence))
        slot.proposals[digest] = proposal
        slot.holds[digest] = True
        vote = self._vote(slot, Phase.PRE_PREPARE, digest)
        self._next = sequence + 1
        self._effects.took_proposal = True
        self._effects.tell(PrePrepare(vote, proposal))

    def _may_propose(self) -> bool:
        sequence = self._next_sequence()
        limit = min(self._delivered + self._timing.in_flight, self._stable.height + self._rules.window)
        if self._last_height is not None:
            limit = min(limit, self._last_height)
        return not self.changing and self.leader == self._position and sequence <= limit

    def _next_sequence(self) -> int:
        return max(self._next, self._outcome.last_required + 1, self._delivered + 1)

    def _advance(self) -> None:
        """Do whatever the votes at hand allow, lowest sequence first."""
        for sequence in sorted(self._slots):
            slot = self._slots.get(sequence)
            if slot is None:
                continue
            if not self.changing:
                self._try_prepare(slot)
            if not self.changing:
                self._try_commit(slot)
            self._try_decide(slot)
        self._deliver()

    def _try_prepare(self, slot: Slot) -> None:
        if slot.pre_prepare is None or Phase.PREPARE in slot.own or self.leader == self._position:
            return
        digest = slot.pre_prepare.digest
        proposal = self._content(slot, digest)
        if proposal is None or not self._acceptable(slot, digest, proposal):
            return
        self._effects.tell(self._vote(slot, Phase.PREPARE, digest))

    def _acceptable(self, slot: Slot, digest: bytes, proposal: Proposal) -> bool:
        required = self._outcome.required.get(slot.sequence)
        if required is not None and required != digest:
            self._suspect()
            return False
        if required is None and not self._fresh(slot, proposal):
            return False
        if not proposal.envelopes or slot.holds.get(digest):
            return True
        if digest not in slot.holds:
            slot.holds[digest] = None
            self._effects.validate.append(Validate(digest, proposal.envelopes))
        elif slot.holds[digest] is False:
            self._suspect()
        return False

    def _fresh(self, slot: Slot, proposal: Proposal) -> bool:
        """In order, later than the one before, and near our clock."""
        if slot.sequence <= self._delivered:
            return False
        before_ms: int = self._delivered_ms
        if slot.sequence > self._delivered + 1:
            previous = self._slots.get(slot.sequence - 1)
            if previous is None or previous.pre_prepare is None:
                return False
            known = previous.proposals.get(previous.pre_prepare.digest)
            if known is None:
                return False
            before_ms = known.time_ms
        near = abs(proposal.time_ms - self._now) <= self._timing.clock_skew_ms
        return proposal.time_ms > before_ms and near

    def _try_commit(self, slot: Slot) -> None:
        if Phase.COMMIT in slot.own:
            return
        certificate = slot.prepare_certificate(self._rules.quorum)
        if certificate is None or self._content(slot, certificate.digest) is None:
            return
        slot.prepared = certificate
        self._effects.log(_prepared_key(slot.sequence), certificate)
        self._effects.tell(self._vote(slot, Phase.COMMIT, certificate.digest))

    def _try_decide(self, slot: Slot) -> None:
        digest = slot.committed_digest(self._rules.quorum)
        if digest is None or digest == slot.decided:
            return
        assert slot.decided is None, f"two decisions at sequence {slot.sequence}: agreement is broken"
        slot.decided = digest

    def _deliver(self) -> None:
        while (slot := self._slots.get(self._delivered + 1)) is not None and slot.decided is not None:
            proposal = self._content(slot, slot.decided)
            if proposal is None:
                return
            self._delivered = slot.sequence
            self._delivered_ms = TimeMs(max(proposal.time_ms, self._delivered_ms + 1))
            self._effects.deliver.append(
                Batch(self._rules.scope.epoch, Height(slot.sequence), self._delivered_ms, proposal.envelopes)
            )

    def _vote(self, slot: Slot, phase: Phase, digest: bytes) -> Vote:
        """Cast, count and log our own vote; the log also keeps what it was about."""
        message = self._rules.scope.vote(phase, self._view, slot.sequence, digest)
        vote = Vote(phase, self._view, slot.sequence, digest, self._position, self._sign(message))
        slot.own[phase] = vote
        slot.count(vote)
        self._effects.log(_vote_key(slot.sequence, phase), vote)
        if phase is not Phase.COMMIT and digest in slot.proposals:
            self._effects.log(_proposal_key(slot.sequence, digest), slot.proposals[digest])
        return vote

    def _content(self, slot: Slot, digest: bytes) -> Proposal | None:
        proposal = slot.proposals.get(digest)
        if proposal is None:
            empty = no_op(slot.sequence)
            if digest == self._rules.scope.digest(empty):
                slot.keep(digest, empty)
                return empty
            self._effects.fetch.append(Fetch(slot.sequence, digest))
        return proposal

    def _slot(self, sequence: int) -> Slot | None:
        """The slot of a sequence within the window; None below and above it."""
        if not self._stable.height < sequence <= self._stable.height + self._rules.window:
            return None
        return self._slots.setdefault(sequence, Slot(sequence))

    # ------------------------------------------------------------ changing the view

    def _suspect(self) -> None:
        if not self.changing:
            self._change_view(self._view + 1)

    def _change_view(self, view: int) -> None:
        """Leave the view for a later one: from here on nothing is voted below it."""
        self._view = view
        self._status = Status.CHANGING
        self._effects.released = True
        self._attempts += 1
        self._deadline = None
        prepared = [
            slot.prepared
            for sequence, slot in sorted(self._slots.items())
            if slot.prepared is not None and sequence > self._stable.height
        ]
        unsigned = ViewChange(view, self._position, self._stable, tuple(prepared), b"")
        signature = self._sign(self._rules.scope.view_change(unsigned))
        own = msgspec.structs.replace(unsigned, signature=signature)
        self._view_changes[self._position] = own
        self._effects.log(_VIEW_KEY, own)
        self._effects.tell(own)
        self._gather()

    def _take_view_change(self, change: ViewChange) -> None:
        known = self._view_changes.get(change.position)
        if known is not None and known.view >= change.view:
            return
        if change.view < self._view or (change.view == self._view and not self.changing):
            return
        if fault_in_view_change(change, self._rules):
            return
        self._view_changes[change.position] = change
        if change.stable.height > self._stable.height:
            self._stabilise(change.stable)
        ahead = sorted(known.view for known in self._view_changes.values() if known.view > self._view)
        if len(ahead) > self._rules.faulty:
            self._change_view(ahead[0])
        else:
            self._gather()

    def _gather(self) -> None:
        """With q view changes for ours: lead if it is our turn, otherwise give the leader its time."""
        if not self.changing:
            return
        same = {p: change for p, change in self._view_changes.items() if change.view == self._view}
        if self.leader == self._position and len(same) >= self._rules.quorum:
            chosen = tuple(same[position] for position in sorted(same)[: self._rules.quorum])
            unsigned = NewView(self._view, self._position, chosen, b"")
            signature = self._sign(self._rules.scope.new_view(unsigned))
            message = msgspec.structs.replace(unsigned, signature=signature)
            self._effects.tell(message)
            self._enter(message)
            return
        at_least = sum(change.view >= self._view for change in self._view_changes.values())
        if at_least >= self._rules.quorum and self._deadline is None:
            self._deadline = self._now + self._timeout_ms()

    def _take_new_view(self, message: NewView) -> None:
        if message.view < self._view or (message.view == self._view and not self.changing):
            return
        if not fault_in_new_view(message, self._rules):
            self._enter(message)

    def _enter(self, message: NewView) -> None:
        """Begin the view: what it requires follows from its view changes alone."""
        self._view = message.view
        self._status = Status.NORMAL
        self._effects.released = True
        self._new_view = message
        self._outcome = outcome(message.view_changes, self._rules.scope)
        self._deadline = self._now + self._timeout_ms()
        self._effects.log(_VIEW_KEY, message)
        self._stabilise(self._outcome.stable)
        for slot in self._slots.values():
            slot.enter_view()
        self._next = 0
        for sequence, digest in self._outcome.required.items():
            slot_of = self._slot(sequence)
            if slot_of is not None and self.leader == self._position:
                self._effects.tell(self._vote(slot_of, Phase.PRE_PREPARE, digest))
        early, self._early = self._early, deque(maxlen=EARLY_MESSAGES)
        for sender, waiting in early:
            self._receive(sender, waiting)

    # ------------------------------------------------------------ stability and catching up

    def _stabilise(self, stable: Stable) -> None:
        """Everything up to here is certified: forget it; if we have not delivered it, say so."""
        if stable.height <= self._stable.height:
            return
        self._stable = stable
        for sequence in [sequence for sequence in self._slots if sequence <= stable.height]:
            slot = self._slots.pop(sequence)
            self._effects.forget(sequence, slot)

    def _caught_up(self, height: int, time_ms: TimeMs) -> None:
        if height > self._delivered:
            self._delivered = height
            self._delivered_ms = time_ms

    def _help(self, sender: int, standing: Standing) -> None:
        """Give a peer what it lacks: our new view, our commits, or the proof that it is far behind."""
        behind_in_view = standing.view < self._view or (standing.view == self._view and standing.changing)
        if behind_in_view and not self.changing and self._new_view is not None:
            self._effects.tell(self._new_view, sender)
        if standing.delivered < self._stable.height and self._stable.certificate:
            self._effects.tell(self._stable, sender)
        first = max(standing.delivered, self._stable.height) + 1
        for sequence in range(first, min(self._delivered, first + HELP_SEQUENCES - 1) + 1):
            own = self._slots[sequence].commits.get(self._position) if sequence in self._slots else None
            if own is not None:
                self._effects.tell(own, sender)

    # ------------------------------------------------------------ time

    def _tick(self) -> None:
        if self._deadline is not None and self._now >= self._deadline:
            self._change_view(self._view + 1)
        if self._now >= self._quiet_until:
            self._repeat()

    def _watch(self, *, progressed: bool) -> None:
        """Arm, re-arm or disarm the time the leader has."""
        if progressed:
            self._attempts = 0
        if self.changing:
            return
        if not self._unfinished():
            self._deadline = None
        elif progressed or self._deadline is None:
            self._deadline = self._now + self._timeout_ms()

    def _unfinished(self) -> bool:
        return self._waiting or any(
            sequence > self._delivered and (slot.pre_prepare is not None or slot.commits)
            for sequence, slot in self._slots.items()
        )

    def _timeout_ms(self) -> int:
        doubled = self._timing.view_timeout_ms << min(self._attempts, 16)
        return min(doubled, self._timing.view_timeout_limit_ms)

    def _repeat(self) -> None:
        """Say again what has not led to a decision yet: a lost message must not be the end."""
        busy = self.changing or self._unfinished()
        self._quiet_until = self._now + (self._timing.resend_ms if busy else self._timing.standing_ms)
        self._effects.tell(Standing(self._view, self.changing, self._delivered))
        if self.changing:
            self._effects.tell(self._view_changes[self._position])
            return
        for sequence in range(self._delivered + 1, self._delivered + 1 + self._timing.in_flight):
            slot = self._slots.get(sequence)
            for phase, vote in sorted(slot.own.items()) if slot else ():
                content = slot.proposals.get(vote.digest) if slot and phase is Phase.PRE_PREPARE else None
                self._effects.tell(vote if content is None else PrePrepare(vote, content))

    # ------------------------------------------------------------ starting from disk

    def _restart(self, event: Started) -> None:
        self._delivered = event.height
        self._delivered_ms = event.time_ms
        for entry in event.persisted:
            self._restore(decode(entry.record))
        for slot in self._slots.values():
            for phase in [phase for phase, vote in slot.own.items() if vote.view != self._view]:
                del slot.own[phase]
            if slot.pre_prepare is not None and slot.pre_prepare.view != self._view:
                slot.enter_view()

    def _restore(self, message: Message | None) -> None:
        match message:
            case Vote(phase=phase) if (slot := self._slot(message.sequence)) is not None:
                slot.own[phase] = message
                slot.count(message)
            case Prepared() if (slot := self._slot(message.sequence)) is not None:
                if prepared_holds(message, self._rules):
                    slot.prepared = message
            case Proposal() if (slot := self._slot(message.sequence)) is not None:
                slot.keep(self._rules.scope.digest(message), message)
            case ViewChange():
                self._view, self._status = message.view, Status.CHANGING
                self._view_changes[self._position] = message
            case NewView():
                self._view, self._new_view = message.view, message
                self._outcome = outcome(message.view_changes, self._rules.scope)
            case _:
                return

    # ------------------------------------------------------------ effects out

    def _ready(self) -> Ready:
        effects = self._effects
        behind = self._stable.height if self._delivered < self._stable.height else 0
        for fetch in dict.fromkeys(effects.fetch):
            if self._may_ask(fetch):
                effects.tell(fetch)
        return Ready(
            persist=tuple(effects.persist),
            send=tuple(effects.send),
            deliver=tuple(effects.deliver),
            validate=tuple(effects.validate),
            evidence=tuple(effects.evidence),
            behind=Height(behind),
            wants_proposal=self._may_propose(),
            took_proposal=effects.took_proposal,
            released=effects.released,
            next_tick_ms=TimeMs(min(self._quiet_until, self._deadline or self._quiet_until)),
        )

    def _may_ask(self, fetch: Fetch) -> bool:
        """Ask for one proposal at most once in the time between two repeats."""
        if self._asked.get(fetch.digest, 0) > self._now:
            return False
        self._asked = {digest: until for digest, until in self._asked.items() if until > self._now}
        self._asked[fetch.digest] = self._now + self._timing.resend_ms
        return True


class _Effects:
    """What one step has caused so far."""

    def __init__(self) -> None:
        self.persist: list[LogEntry] = []
        self.send: list[Send] = []
        self.deliver: list[Batch] = []
        self.validate: list[Validate] = []
        self.evidence: list[Evidence] = []
        self.fetch: list[Fetch] = []
        self.took_proposal = False
        self.released = False

    def tell(self, message: Message, *receivers: int) -> None:
        self.send.append(Send(encode(message), receivers))

    def log(self, key: bytes, message: Message) -> None:
        self.persist.append(LogEntry(key, encode(message)))

    def forget(self, sequence: int, slot: Slot) -> None:
        keys: Iterable[bytes] = (
            _prepared_key(sequence),
            *(_vote_key(sequence, phase) for phase in Phase),
            *(_proposal_key(sequence, digest) for digest in slot.proposals),
        )
        self.persist.extend(LogEntry(key, b"") for key in keys)


def _vote_key(sequence: int, phase: Phase) -> bytes:
    return b"vote/%d/%d" % (sequence, phase)


def _prepared_key(sequence: int) -> bytes:
    return b"prepared/%d" % sequence


def _proposal_key(sequence: int, digest: bytes) -> bytes:
    return b"proposal/%d/" % sequence + digest[:16]
