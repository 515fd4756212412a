"""Saying things again, and helping whoever has fallen behind: so a healed network goes on by itself.

Every replica says from time to time where it stands. Who is further answers with what is missing: the
proof of the view, of a stable block, or the votes that decided. Nobody can make us answer faster than
our own repeats.
"""

from __future__ import annotations

from ledgernode.config import HELP_SEQUENCES
from ledgernode.consensus.pbft.changing import ViewChanging
from ledgernode.consensus.pbft.messages import Fetch, Relayed, Standing, Vote
from ledgernode.consensus.pbft.ordering import Ordering
from ledgernode.consensus.pbft.seat import Seat, Throttle
from ledgernode.wire.voting import Phase


class Helping:
    def __init__(self, seat: Seat, ordering: Ordering, changing: ViewChanging) -> None:
        self._seat = seat
        self._ordering = ordering
        self._changing = changing
        self._answered = Throttle(seat.timing.resend_ms // 2)

    # ------------------------------------------------------------ what peers ask

    def may_answer(self, sender: int, what: object) -> bool:
        return self._answered.allows((sender, what), self._seat.now)

    def give(self, sender: int, asked: Fetch) -> None:
        """The content of a proposal, if it is here."""
        proposal = self._ordering.content(asked.sequence, asked.digest)
        if proposal is not None and self.may_answer(sender, asked.digest):
            self._seat.tell(proposal, sender)

    def help(self, sender: int, standing: Standing) -> None:
        """Give a peer what it lacks: our new view, the proof that it is far behind, or the votes that decided."""
        if not self.may_answer(sender, Standing):
            return
        seat = self._seat
        behind_in_view = standing.view < seat.view or (standing.view == seat.view and standing.changing)
        if behind_in_view and self._changing.new_view is not None and self._changing.new_view.view >= standing.view:
            seat.tell(self._changing.new_view, sender)
        if standing.delivered < seat.stable.height and seat.stable.certificate:
            seat.tell(seat.stable, sender)
        lacking = [slot for slot in self._ordering.slots_above(standing.delivered) if slot.sequence <= seat.delivered]
        for slot in lacking[:HELP_SEQUENCES]:
            seat.tell(Relayed(slot.reasons(seat.view)), sender)

    # ------------------------------------------------------------ what we repeat

    def repeat(self) -> None:
        """Say again what has not led to a certified block yet: a lost message must not be the end."""
        seat = self._seat
        seat.tell(Standing(seat.view, seat.changing, seat.delivered))
        if seat.silent:
            return
        if seat.changing:
            if self._changing.own is not None:
                seat.tell(self._changing.own)
            return
        for slot in self._ordering.slots_above(seat.stable.height):
            if seat.now - slot.said_ms < seat.timing.resend_ms:
                continue
            slot.said_ms = int(seat.now)
            votes: list[Vote] = [slot.own[phase] for phase in Phase if phase in slot.own]
            for vote in votes:
                if vote.view == seat.view:
                    seat.tell(vote)
