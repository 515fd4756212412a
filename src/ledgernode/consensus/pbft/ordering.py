"""Ordering within a view: how votes move each sequence from proposed to prepared, committed and delivered.

The leader gives a sequence its proposal. Whoever finds it acceptable votes PREPARE; with q votes it is
*prepared* here, its certificate goes to the log, and COMMIT is voted; q COMMITs of one view decide.

What is acceptable: the content the new view requires, nothing else, where it requires something; a fresh
proposal otherwise, later than the one before it and of this time, whose envelopes the driver has checked.
(What is required was checked by the honest members who prepared it.) Of this time: not ahead of our clock by
more than the skew, nor, when it came, behind it by more than skew and time-out together. A slow message is late
like a slow clock, and a leader may keep everyone waiting that long anyway, so lateness within its time is no
fault; as the time-out grows in bad times, a network of any slowness comes to agree.
"""

from __future__ import annotations

from ledgernode.consensus.engine import Evidence, Validate
from ledgernode.consensus.pbft.journal import Remembered
from ledgernode.consensus.pbft.messages import (
    Fetch,
    Prepared,
    PrePrepare,
    Proposal,
    Stable,
    Vote,
    no_op,
)
from ledgernode.consensus.pbft.patience import Patience
from ledgernode.consensus.pbft.seat import Seat, Throttle
from ledgernode.consensus.pbft.slot import Slot, agreement
from ledgernode.consensus.pbft.view_change import Outcome, vote_holds
from ledgernode.wire.block import Batch
from ledgernode.wire.types import Height, TimeMs
from ledgernode.wire.voting import Contradiction, Phase


class Ordering:
    def __init__(self, seat: Seat, patience: Patience) -> None:
        self._seat = seat
        self._patience = patience
        self._slots: dict[int, Slot] = {}
        self._touched: set[int] = set()
        self._outcome = Outcome(seat.stable, {})
        self._early: dict[int, dict[tuple[int, Phase], Vote]] = {}
        self._asked = Throttle(seat.timing.resend_ms)
        self._asking = 0

    # ------------------------------------------------------------ what is known

    def slot(self, sequence: int) -> Slot | None:
        """The slot of a sequence that may be voted on now; None below and above."""
        if not self._seat.stable.height < sequence <= self._seat.highest:
            return None
        known = self._slots.get(sequence)
        if known is None:
            known = self._slots[sequence] = Slot(sequence)
        return known

    def content(self, sequence: int, digest: bytes) -> Proposal | None:
        slot = self._slots.get(sequence)
        return slot.proposals.get(digest) if slot else None

    def prepared(self) -> tuple[Prepared, ...]:
        """What a view change must carry on: lowest sequence first."""
        slots = (self._slots[sequence] for sequence in sorted(self._slots))
        return tuple(slot.prepared for slot in slots if slot.prepared is not None)

    def slots_above(self, height: int) -> list[Slot]:
        return [self._slots[sequence] for sequence in sorted(self._slots) if sequence > height]

    def under_way(self) -> bool:
        """Does something wait for its decision? One member alone cannot pretend so, unless it leads."""
        faulty = self._seat.faulty
        return any(
            sequence > self._seat.delivered and (slot.pre_prepare is not None or len(slot.commits) > faulty)
            for sequence, slot in self._slots.items()
        )

    def touch(self) -> None:
        """Look at every slot again: time has passed, or what we may do has changed."""
        self._touched.update(self._slots)

    # ------------------------------------------------------------ messages in

    def pre_prepared(self, sender: int, message: PrePrepare) -> None:
        """The leader's vote and what it is about."""
        vote, proposal = message.vote, message.proposal
        if vote.phase is not Phase.PRE_PREPARE or proposal.sequence != vote.sequence:
            return
        self.voted(sender, vote)
        slot = self._slots.get(vote.sequence)
        if slot is not None and slot.pre_prepare == vote and vote.digest not in slot.proposals:
            self.fetched(proposal)

    def voted(self, sender: int, vote: Vote) -> None:
        """Count a vote, whoever brings it, if its author signed it and its time has come."""
        slot = self.slot(vote.sequence)
        if slot is None or slot.knows(vote):
            return
        if vote.phase is not Phase.COMMIT:
            if vote.sequence <= self._seat.proven.height:
                return  # it is decided; only commits still tell what
            if vote.view > self._seat.view or (vote.view == self._seat.view and self._seat.changing):
                self._keep_for_later(sender, vote)
                return
            if vote.view < self._seat.view or (vote.phase is Phase.PRE_PREPARE) != (vote.position == self._seat.leader):
                return
        if not vote_holds(vote, self._seat.rules):
            return
        if vote.phase is Phase.PRE_PREPARE:
            slot.arrived_ms = self._seat.now
            self._touch_from(vote.sequence)
        contradicted = slot.count(vote)
        if contradicted is not None:
            signed = self._seat.rules.scope.signed
            found = Contradiction(signed(contradicted), signed(vote))
            self._seat.effects.evidence.append(Evidence(vote.position, found))
        self._touched.add(vote.sequence)

    def relayed(self, votes: tuple[Vote, ...]) -> None:
        """What decided at a peer decides here, whatever later views their authors have voted in since."""
        decision = agreement((vote for vote in votes if vote.phase is Phase.COMMIT), self._seat.quorum)
        slot = self.slot(decision[0].sequence) if decision else None
        if slot is None or slot.decided is not None or {vote.sequence for vote in decision} != {slot.sequence}:
            return
        if all(vote_holds(vote, self._seat.rules) for vote in decision):
            self._decide(slot, decision)
            self._touched.add(slot.sequence)

    def _keep_for_later(self, sender: int, vote: Vote) -> None:
        """A vote of a view we have yet to enter: each sender has room for one a phase and sequence."""
        room = self._early.setdefault(sender, {})
        key = (vote.sequence, vote.phase)
        known = room.get(key)
        if known.view < vote.view if known else len(room) < 2 * self._seat.rules.window:
            room[key] = vote

    def fetched(self, proposal: Proposal) -> None:
        """The content of a proposal: kept if it is what we need."""
        slot = self._slots.get(proposal.sequence)
        if slot is None:
            return
        digest = self._seat.rules.scope.digest(proposal)
        if digest in self._needed(slot):
            self._keep(slot, digest, proposal)
            self._touch_from(slot.sequence)

    def _touch_from(self, sequence: int) -> None:
        """What stands here is known now, and those above may have waited for it."""
        self._touched.update(other for other in self._slots if other >= sequence)

    def _needed(self, slot: Slot) -> set[bytes]:
        wanted = {slot.decided, self._outcome.required.get(slot.sequence)}
        wanted |= {known.digest for known in (slot.pre_prepare, slot.prepared, *slot.own.values()) if known}
        return {digest for digest in wanted if digest is not None}

    def _keep(self, slot: Slot, digest: bytes, proposal: Proposal) -> None:
        gone = slot.keep(digest, proposal, self._needed(slot))
        if gone is not None:
            self._seat.journal.forget_proposal(slot.sequence, gone)

    def validated(self, digest: bytes, holds: bool) -> None:
        for slot in self._slots.values():
            if digest in slot.proposals:
                slot.holds[digest] = holds
                self._touched.add(slot.sequence)

    # ------------------------------------------------------------ leading

    def may_propose(self) -> bool:
        seat = self._seat
        if not seat.leads or not seat.may_vote:
            return False
        sequence = self._next_sequence()
        limit = min(seat.delivered + seat.timing.in_flight, seat.highest)
        return sequence <= limit and self._time_before(sequence) is not None

    def propose(self, envelopes: tuple[bytes, ...]) -> None:
        """Lead: give the next sequence to these envelopes. The driver has checked them already."""
        if not self.may_propose():
            return
        sequence = self._next_sequence()
        before_ms = self._time_before(sequence)
        slot = self.slot(sequence)
        assert slot is not None, "a sequence that may be proposed is in the window"
        assert before_ms is not None, "and what stands before it is known"
        proposal = Proposal(sequence, max(self._seat.now, before_ms + 1), envelopes)
        digest = self._seat.rules.scope.digest(proposal)
        self._keep(slot, digest, proposal)
        slot.holds[digest] = True
        self._seat.effects.took_proposal = True
        self._seat.tell(PrePrepare(self._vote(slot, Phase.PRE_PREPARE, digest), proposal))

    def _next_sequence(self) -> int:
        """Above all that is required, proven, delivered, or proposed by us in this view, before a restart too."""
        seat = self._seat
        proposed = (sequence for sequence, slot in self._slots.items() if slot.has_voted(Phase.PRE_PREPARE, seat.view))
        return max(self._outcome.last_required, seat.proven.height, seat.delivered, max(proposed, default=0)) + 1

    # ------------------------------------------------------------ step by step

    def advance(self) -> None:
        """Do whatever the votes at hand allow, lowest sequence first, until they allow no more."""
        while self._touched:
            touched, self._touched = sorted(self._touched), set()
            for sequence in touched:
                slot = self._slots.get(sequence)
                if slot is not None:
                    self._move(slot)
            self._deliver()

    def _move(self, slot: Slot) -> None:
        if self._seat.may_vote and slot.sequence > self._seat.proven.height:
            self._try_propose_again(slot)
            self._try_prepare(slot)
            self._try_commit(slot)
        self._try_decide(slot)

    def _try_propose_again(self, slot: Slot) -> None:
        """Lead: what the new view requires is proposed again, whether we have its content or not."""
        digest = self._outcome.required.get(slot.sequence)
        if digest is not None and self._seat.leads and not slot.has_voted(Phase.PRE_PREPARE, self._seat.view):
            self._seat.tell(self._vote(slot, Phase.PRE_PREPARE, digest))

    def _try_prepare(self, slot: Slot) -> None:
        if slot.pre_prepare is None or slot.has_voted(Phase.PREPARE, self._seat.view):
            return
        digest = slot.pre_prepare.digest
        proposal = self._content(slot, digest)
        if proposal is None or self._seat.leads or not self._acceptable(slot, digest, proposal):
            return
        self._seat.tell(self._vote(slot, Phase.PREPARE, digest))

    def _acceptable(self, slot: Slot, digest: bytes, proposal: Proposal) -> bool:
        required = self._outcome.required.get(slot.sequence)
        if required is not None:
            self._seat.effects.suspects |= required != digest
            return required == digest
        if not self._fresh(slot, proposal):
            return False
        if not proposal.envelopes or slot.holds.get(digest):
            return True
        if digest not in slot.holds:
            slot.holds[digest] = None
            self._seat.effects.validate.append(Validate(digest, proposal.envelopes))
        elif slot.holds[digest] is False:
            self._seat.effects.suspects = True
        return False

    def _fresh(self, slot: Slot, proposal: Proposal) -> bool:
        """In order, later than the one before, and of this time: not ahead of us, nor too late when it came."""
        before_ms = self._time_before(slot.sequence)
        if before_ms is None or proposal.time_ms <= before_ms:
            return False
        skew_ms = self._seat.timing.clock_skew_ms
        earliest_ms = slot.arrived_ms - skew_ms - self._patience.timeout_ms
        return earliest_ms <= proposal.time_ms <= self._seat.now + skew_ms

    def _time_before(self, sequence: int) -> int | None:
        """The block time that what stands below this sequence leads to; None while that is unknown."""
        if sequence <= self._seat.delivered:
            return None
        time_ms: int = self._seat.delivered_ms
        for below in range(self._seat.delivered + 1, sequence):
            slot = self._slots.get(below)
            digest = slot.expected() if slot else None
            proposal = slot.proposals.get(digest) if slot and digest else None
            if proposal is None:
                return None
            time_ms = max(proposal.time_ms, time_ms + 1)
        return time_ms

    def _try_commit(self, slot: Slot) -> None:
        if slot.has_voted(Phase.COMMIT, self._seat.view):
            return
        certificate = slot.prepare_certificate(self._seat.quorum)
        if certificate is None or self._content(slot, certificate.digest) is None:
            return
        slot.prepared = certificate
        self._seat.journal.prepared(certificate)
        self._seat.tell(self._vote(slot, Phase.COMMIT, certificate.digest))

    def _vote(self, slot: Slot, phase: Phase, digest: bytes) -> Vote:
        """Log what it is about, then cast, count and log our own vote."""
        seat = self._seat
        assert not slot.has_voted(phase, seat.view), "one vote a view, phase and sequence"
        if digest in slot.proposals:
            seat.journal.proposal(digest, slot.proposals[digest])
        message = seat.rules.scope.vote(phase, seat.view, slot.sequence, digest)
        vote = Vote(phase, seat.view, slot.sequence, digest, seat.position, seat.sign(message))
        slot.own[phase] = vote
        slot.said_ms = seat.now
        slot.count(vote)
        self._touched.add(slot.sequence)
        seat.journal.vote(vote)
        return vote

    def _try_decide(self, slot: Slot) -> None:
        if not slot.has_new_commits:
            return
        slot.has_new_commits = False
        decision = slot.deciding(self._seat.quorum)
        if decision:
            self._decide(slot, decision)

    def _decide(self, slot: Slot, decision: tuple[Vote, ...]) -> None:
        digest = decision[0].digest
        if digest == slot.decided:
            return
        if slot.decided is not None:
            self._seat.effects.halt = f"two decisions at sequence {slot.sequence}: more members lie than can be borne"
            return
        slot.decided, slot.decision = digest, decision
        self._seat.journal.decided(slot.sequence, decision)

    def _deliver(self) -> None:
        seat = self._seat
        while (slot := self._slots.get(seat.delivered + 1)) is not None and slot.decided is not None:
            proposal = self._content(slot, slot.decided)
            if proposal is None:
                return
            seat.delivered = slot.sequence
            seat.delivered_ms = TimeMs(max(proposal.time_ms, seat.delivered_ms + 1))
            batch = Batch(seat.rules.scope.epoch, Height(slot.sequence), seat.delivered_ms, proposal.envelopes)
            seat.effects.deliver.append(batch)
            self._touch_from(slot.sequence + 1)

    def _content(self, slot: Slot, digest: bytes) -> Proposal | None:
        """What the digest stands for; asked for, from some of the others in turn, while it is unknown."""
        proposal = slot.proposals.get(digest)
        if proposal is not None:
            return proposal
        empty = no_op(slot.sequence)
        if digest == self._seat.rules.scope.digest(empty):
            self._keep(slot, digest, empty)
            return empty
        if self._asked.allows(digest, self._seat.now):
            self._seat.tell(Fetch(slot.sequence, digest), *self._next_to_ask())
        return None

    def _next_to_ask(self) -> tuple[int, ...]:
        """f+1 others, so that an honest one is among them; other ones the next time."""
        rules = self._seat.rules
        others = [position for position in range(rules.members) if position != self._seat.position]
        self._asking += rules.faulty + 1
        turned = [others[(self._asking + turn) % len(others)] for turn in range(rules.faulty + 1)]
        return tuple(turned)

    # ------------------------------------------------------------ from view to view

    def enter_view(self, begins: Outcome) -> None:
        """Votes of the view before count no more; early votes of this one do."""
        self._outcome = begins
        self.prove(begins.stable)
        for slot in self._slots.values():
            slot.enter_view()
        self._expect_required()
        early, self._early = self._early, {}
        for sender, room in early.items():
            for vote in room.values():
                self.voted(sender, vote)

    def _expect_required(self) -> None:
        for sequence in self._outcome.required:
            self.slot(sequence)
        self.touch()

    def prove(self, stable: Stable) -> None:
        """Somebody shows that a block is certified: up to there nothing is voted on any more, whatever we forgot.

        It says nothing of the certificates of those below, so nothing is forgotten.
        """
        if stable.height > self._seat.proven.height:
            self._seat.proven = stable

    def stabilise(self, stable: Stable) -> None:
        """Everything up to here is certified at this node, who can give it to others: forget how it came about.

        On another's word nothing is forgotten: a block whose certificate only a liar has, or one who lost his disk,
        could be had from nobody then.
        """
        self.prove(stable)
        seat = self._seat
        if stable.height <= seat.stable.height:
            return
        seat.stable = stable
        seat.journal.stable(stable)
        for sequence in [sequence for sequence in self._slots if sequence <= stable.height]:
            del self._slots[sequence]
        for room in self._early.values():
            for key in [key for key in room if key[0] <= stable.height]:
                del room[key]
        self._expect_required()

    def caught_up(self, height: int, time_ms: TimeMs) -> None:
        if height > self._seat.delivered:
            self._seat.delivered, self._seat.delivered_ms = height, time_ms
            self._touched.add(height + 1)

    def end_at(self, height: int) -> None:
        """Nothing above is ordered in this epoch."""
        self._seat.last_height = height
        for sequence in [sequence for sequence in self._slots if sequence > height]:
            del self._slots[sequence]

    # ------------------------------------------------------------ what was said

    def said_by(self, position: int) -> tuple[Vote, ...]:
        return tuple(vote for slot in self.slots_above(0) for vote in slot.said_by(position))

    def has_said(self, vote: Vote) -> bool:
        """Is this vote of ours, or a later one in its place, in our log? What is stable or of no epoch needs none."""
        last = self._seat.last_height
        if vote.sequence <= self._seat.stable.height or (last is not None and vote.sequence > last):
            return True
        slot = self._slots.get(vote.sequence)
        own = slot.own.get(vote.phase) if slot else None
        return own is not None and (own.view > vote.view or (own.view, own.digest) == (vote.view, vote.digest))

    def restore(self, remembered: Remembered, begins: Outcome | None) -> None:
        """Our votes, certificates and contents from the log; votes of earlier views stay said, and uncounted."""
        if begins is not None:
            self._outcome = begins
        for vote in remembered.votes:
            slot = self.slot(vote.sequence)
            if slot is not None:
                slot.own[vote.phase] = vote
                if vote.phase is Phase.COMMIT or vote.view == self._seat.view:
                    slot.count(vote)
        for certificate in remembered.prepared:
            slot = self.slot(certificate.sequence)
            if slot is not None:
                slot.prepared = certificate
        for proposal in remembered.proposals:
            slot = self.slot(proposal.sequence)
            if slot is not None:
                self._keep(slot, self._seat.rules.scope.digest(proposal), proposal)
        for decision in remembered.decisions:  # of what was executed: the rest is decided anew, within the epoch's end
            slot = self.slot(decision[0].sequence)
            if slot is not None and slot.sequence <= self._seat.delivered:
                slot.decided, slot.decision = decision[0].digest, decision
        self._expect_required()
