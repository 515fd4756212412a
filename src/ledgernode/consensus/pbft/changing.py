"""Leaving a view, and entering the next.

A replica that leaves a view says what it had prepared (VIEW-CHANGE) and votes below the new view no more.
With q of them the next leader begins (NEW-VIEW); what follows from them everyone computes for itself.
f+1 members ahead of us prove that an honest one has left: we follow. The wait for a new leader begins
only when q have left too, so that nobody runs ahead alone.
"""

from __future__ import annotations

import msgspec

from ledgernode.consensus.pbft.messages import NewView, ViewChange
from ledgernode.consensus.pbft.ordering import Ordering
from ledgernode.consensus.pbft.patience import Patience
from ledgernode.consensus.pbft.seat import Seat
from ledgernode.consensus.pbft.view_change import Outcome, fault_in_new_view, fault_in_view_change, outcome


class ViewChanging:
    def __init__(self, seat: Seat, ordering: Ordering, patience: Patience) -> None:
        self._seat = seat
        self._ordering = ordering
        self._patience = patience
        self._changes: dict[int, ViewChange] = {}  # the latest of each member
        self._said = 0  # the latest view that our own log speaks of
        self.new_view: NewView | None = None  # what the present view, or the one we left, rests on

    @property
    def own(self) -> ViewChange | None:
        return self._changes.get(self._seat.position)

    # ------------------------------------------------------------ leaving

    def suspect(self) -> None:
        """Give this view's leader up, unless we are leaving already."""
        if self._seat.may_vote:
            self.leave_for(self._seat.view + 1)

    def leave_for(self, view: int) -> None:
        """From here on nothing is voted below this view. Who is silent says nothing of it either."""
        seat = self._seat
        if seat.silent:
            return
        seat.view, seat.changing, self._said = view, True, view
        seat.effects.released = True
        self._patience.lost()
        unsigned = ViewChange(view, seat.position, seat.stable, self._ordering.prepared(), b"")
        signature = seat.sign(seat.rules.scope.view_change(unsigned))
        own = msgspec.structs.replace(unsigned, signature=signature)
        self._changes[seat.position] = own
        seat.journal.view(own)
        seat.tell(own)
        self._gather()

    def take_view_change(self, change: ViewChange) -> None:
        known = self._changes.get(change.position)
        if known is not None and known.view >= change.view:
            return
        if change.view < self._seat.view or (change.view == self._seat.view and not self._seat.changing):
            return
        if fault_in_view_change(change, self._seat.rules):
            return
        self._changes[change.position] = change
        self._ordering.prove(change.stable)
        self.follow()

    def follow(self) -> None:
        """Go where f+1 have gone; otherwise see whether our own view can begin."""
        reached = self._reached_by(self._seat.faulty + 1)
        if reached > self._seat.view:
            self.leave_for(reached)
        else:
            self._gather()

    def _reached_by(self, members: int) -> int:
        """The highest view that this many members have left for."""
        views = sorted((change.view for change in self._changes.values()), reverse=True)
        return views[members - 1] if len(views) >= members else 0

    def _gather(self) -> None:
        """With q view changes for ours: lead if it is our turn, otherwise give the leader its time."""
        seat = self._seat
        if not seat.changing or seat.silent:
            return
        same = sorted(position for position, change in self._changes.items() if change.view == seat.view)
        if seat.leads and len(same) >= seat.quorum:
            chosen = tuple(self._changes[position] for position in same[: seat.quorum])
            unsigned = NewView(seat.view, seat.position, chosen, b"")
            signature = seat.sign(seat.rules.scope.new_view(unsigned))
            message = msgspec.structs.replace(unsigned, signature=signature)
            seat.tell(message)
            self._enter(message)
        elif self._patience.deadline_ms is None and self._reached_by(seat.quorum) >= seat.view:
            self._patience.begin(seat.now)

    # ------------------------------------------------------------ entering

    def take_new_view(self, message: NewView) -> None:
        if message.view < self._seat.view or (message.view == self._seat.view and not self._seat.changing):
            return
        if message.view > 0 and not fault_in_new_view(message, self._seat.rules, self._changes):
            self._enter(message)

    def _enter(self, message: NewView) -> None:
        """Begin the view: what it requires follows from its view changes alone."""
        seat = self._seat
        seat.view, seat.changing = message.view, False
        seat.effects.released = True
        self.new_view = message
        self._changes = {position: change for position, change in self._changes.items() if change.view > seat.view}
        seat.journal.view(message)
        self._patience.begin(seat.now)
        self._ordering.enter_view(outcome(message.view_changes, seat.rules.scope))

    # ------------------------------------------------------------ what was said

    def said_by(self, position: int) -> ViewChange | None:
        """The latest view change of this member that is held."""
        resting = self.new_view.view_changes if self.new_view else ()
        held = [change for change in (*resting, *self._changes.values()) if change.position == position]
        return max(held, key=lambda change: change.view, default=None)

    def has_said(self, change: ViewChange) -> bool:
        """Does our log speak of this view, or a later one?"""
        return change.view <= self._said

    def has_begun(self, message: NewView) -> bool:
        """Is this beginning of a view by us in our log, or a later view?"""
        return message.view < self._seat.view or message == self.new_view

    def restore(self, last: ViewChange | NewView) -> Outcome | None:
        """Our view from the log: what it begins with, or None while we are between two."""
        self._seat.view, self._seat.changing, self._said = last.view, isinstance(last, ViewChange), last.view
        if isinstance(last, ViewChange):
            self._changes[self._seat.position] = last
            return None
        self.new_view = last
        return outcome(last.view_changes, self._seat.rules.scope)
