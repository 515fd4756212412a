"""What we said before we started: asked of our peers, because a disk may be old, or empty.

A starting replica is silent until n-1-f others have answered what they hold of its signed words. If its
log has all of it, it goes on. If not, the log is old or wiped, and what else was said nobody may know:

* it stays silent until a block is certified above everything that it can have voted on. A vote lies at
  most a window above what was stable for us then; that was certified, so an honest one among those who
  answered had delivered it, and is stable at most a window below. Hence two windows above the highest
  stable height in the answers;
* it takes part in no view below the latest that its own words name.

Words of ours that turn up later, from whomever, count the same: with an old disk restored while its peer
was away, or a second machine with our key, silence is the only thing that cannot lie. Answers carry the
time of our start, so that those to an earlier start count nothing. All may start at once: who is silent
still answers.
"""

from __future__ import annotations

from ledgernode.consensus.pbft.changing import ViewChanging
from ledgernode.consensus.pbft.messages import Muted, NewView, Recall, Recalled, ViewChange, Vote
from ledgernode.consensus.pbft.ordering import Ordering
from ledgernode.consensus.pbft.seat import Seat
from ledgernode.consensus.pbft.view_change import vote_holds


class Recalling:
    def __init__(self, seat: Seat, ordering: Ordering, changing: ViewChanging) -> None:
        self._seat = seat
        self._ordering = ordering
        self._changing = changing
        self._started_ms = 0
        self._answered: set[int] = set()
        self._muted: Muted | None = None
        self._missing = False

    @property
    def muted(self) -> Muted | None:
        """Until when we say nothing; None when nothing of ours is missing."""
        return self._muted

    @property
    def is_asking(self) -> bool:
        rules = self._seat.rules
        return len(self._answered) < rules.members - 1 - rules.faulty

    # ------------------------------------------------------------ asking

    def begin(self, *, damaged: bool, muted: Muted | None) -> None:
        """After the log was read; a damaged one has certainly forgotten something."""
        self._started_ms = int(self._seat.now)
        self._muted = muted
        if damaged:
            self._forgot(self._seat.view)
        self.ask()
        self._decide()

    def ask(self) -> None:
        """Those who have not answered yet, again with every repeat."""
        silent = (position for position in range(self._seat.rules.members) if position not in self._answered)
        others = tuple(position for position in silent if position != self._seat.position)
        if others:
            self._seat.tell(Recall(self._started_ms), *others)

    def take(self, sender: int, answer: Recalled) -> None:
        """One more knows what we said; what it passes on, of us and of the others' view, must hold by itself."""
        seat = self._seat
        if answer.started_ms != self._started_ms or sender in self._answered:
            return
        self._answered.add(sender)
        if answer.stable.height > seat.proven.height and seat.rules.stable_holds(answer.stable):
            self._ordering.prove(answer.stable)
        for vote in answer.votes[: 4 * seat.rules.window]:
            self.overhear(vote)
        if self._contradicts_log(answer.view_change, answer.new_view):
            self._forgot(max(said.view for said in (answer.view_change, answer.new_view) if said is not None))
        if answer.new_view is not None:
            self._changing.take_new_view(answer.new_view)
        if self._missing:
            self._forgot(0)  # from the highest stable height that anyone told
        self._decide()

    def _contradicts_log(self, change: ViewChange | None, view: NewView | None) -> bool:
        """Did we leave, or begin, a view of which our log knows nothing?"""
        position, rules = self._seat.position, self._seat.rules
        if change is not None and change.position == position and not self._changing.has_said(change):
            return rules.verify(position, rules.scope.view_change(change), change.signature)
        if view is not None and view.position == position and not self._changing.has_begun(view):
            return rules.verify(position, rules.scope.new_view(view), view.signature)
        return False

    def overhear(self, vote: Vote) -> None:
        """A vote in our own name, brought by another: is it one we know of?"""
        if vote.position != self._seat.position or self._ordering.has_said(vote):
            return
        if vote_holds(vote, self._seat.rules):
            self._forgot(vote.view)

    # ------------------------------------------------------------ silence

    def _forgot(self, view: int) -> None:
        """Something of ours is missing here: from now on, and after a restart, we wait."""
        seat = self._seat
        self._missing = True
        earlier = self._muted or Muted(0, 0)
        height = max(earlier.height, seat.proven.height + 2 * seat.rules.window)
        muted = Muted(height, max(earlier.view, view))
        if muted != self._muted:
            self._muted = muted
            seat.journal.muted(muted)
        seat.silent = True

    def _decide(self) -> None:
        """Speak again once everyone needed has answered and what we may have said lies below us."""
        seat = self._seat
        muted = self._muted
        if muted is not None and seat.stable.height >= muted.height and seat.view >= muted.view and not self.is_asking:
            self._muted, self._missing = None, False
            seat.journal.muted(None)
        silent = self.is_asking or self._muted is not None
        if seat.silent and not silent:
            self._ordering.touch()
        seat.silent = silent

    def review(self) -> None:
        """Time has passed: blocks may have become stable, views may have changed."""
        if self._seat.silent:
            self._decide()

    # ------------------------------------------------------------ answering

    def answer(self, sender: int, asked: Recall) -> None:
        seat = self._seat
        votes = self._ordering.said_by(sender)
        change = self._changing.said_by(sender)
        seat.tell(Recalled(asked.started_ms, seat.stable, votes, change, self._changing.new_view), sender)
