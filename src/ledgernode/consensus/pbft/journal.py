"""What a replica must remember of its own promises, as records of the engine's log.

    <epoch>/stable           the highest block that is certified here with all below it
    <epoch>/view             its last view change, or the new view that ended it
    <epoch>/muted            until when it says nothing, having forgotten what it said
    <epoch>/slot/<sequence>/ its last vote of each phase, what was prepared, the content of both, what decided

A record of another epoch is forgotten at the start. A record of ours that cannot be read, or whose
signature does not hold, means that the disk has forgotten something: then nothing it holds can be
taken for all that was said.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from ledgernode.consensus.engine import LogEntry
from ledgernode.consensus.pbft.messages import (
    Message,
    Muted,
    NewView,
    Prepared,
    Proposal,
    Relayed,
    Stable,
    ViewChange,
    Vote,
    decode,
    encode,
)
from ledgernode.consensus.pbft.slot import agreement
from ledgernode.consensus.pbft.view_change import Rules, prepared_holds, vote_holds
from ledgernode.wire.types import Epoch

_SLOT: Final = b"slot"


class Remembered(msgspec.Struct):
    """What a log holds, read back."""

    damaged: bool = False
    stable: Stable | None = None
    view: ViewChange | NewView | None = None
    muted: Muted | None = None
    votes: list[Vote] = msgspec.field(default_factory=list)
    prepared: list[Prepared] = msgspec.field(default_factory=list)
    proposals: list[Proposal] = msgspec.field(default_factory=list)
    decisions: list[tuple[Vote, ...]] = msgspec.field(default_factory=list)


class Journal:
    """Collects the records of one step, and knows which keys each sequence has on disk."""

    def __init__(self, epoch: Epoch) -> None:
        self._prefix = b"%d/" % epoch
        self._entries: list[LogEntry] = []
        self._keys: dict[int, set[bytes]] = {}

    def take(self) -> tuple[LogEntry, ...]:
        """What this step must persist, in order."""
        entries, self._entries = tuple(self._entries), []
        return entries

    # ------------------------------------------------------------ writing

    def stable(self, stable: Stable) -> None:
        """The sequences up to it need no memory any more."""
        self._write(b"stable", stable)
        for sequence in sorted(sequence for sequence in self._keys if sequence <= stable.height):
            self._entries += [LogEntry(key, b"") for key in sorted(self._keys.pop(sequence))]

    def view(self, message: ViewChange | NewView) -> None:
        self._write(b"view", message)

    def muted(self, muted: Muted | None) -> None:
        if muted is None:
            self._entries.append(LogEntry(self._prefix + b"muted", b""))
        else:
            self._write(b"muted", muted)

    def vote(self, vote: Vote) -> None:
        self._slot(vote.sequence, b"vote%d" % vote.phase, vote)

    def prepared(self, certificate: Prepared) -> None:
        self._slot(certificate.sequence, b"prepared", certificate)

    def decided(self, sequence: int, commits: tuple[Vote, ...]) -> None:
        """The commits that decided: until the block has its certificate here, others may need them of us."""
        self._slot(sequence, b"decided", Relayed(commits))

    def proposal(self, digest: bytes, proposal: Proposal) -> None:
        """Its content, once: it is large, and every vote is about it."""
        name = b"proposal/" + digest.hex().encode()
        if self._slot_key(proposal.sequence, name) not in self._keys.get(proposal.sequence, ()):
            self._slot(proposal.sequence, name, proposal)

    def forget_proposal(self, sequence: int, digest: bytes) -> None:
        key = self._slot_key(sequence, b"proposal/" + digest.hex().encode())
        if key in self._keys.get(sequence, ()):
            self._keys[sequence].discard(key)
            self._entries.append(LogEntry(key, b""))

    def _slot(self, sequence: int, name: bytes, message: Message) -> None:
        key = self._slot_key(sequence, name)
        self._keys.setdefault(sequence, set()).add(key)
        self._entries.append(LogEntry(key, encode(message)))

    def _slot_key(self, sequence: int, name: bytes) -> bytes:
        return b"%s%s/%d/%s" % (self._prefix, _SLOT, sequence, name)

    def _write(self, name: bytes, message: Message) -> None:
        self._entries.append(LogEntry(self._prefix + name, encode(message)))

    # ------------------------------------------------------------ reading

    def read(self, entries: Iterable[LogEntry], rules: Rules, position: int) -> Remembered:
        """Everything that holds; `damaged` when something of ours does not."""
        remembered = Remembered()
        for entry in entries:
            if not entry.key.startswith(self._prefix):
                self._entries.append(LogEntry(entry.key, b""))
                continue
            name = entry.key[len(self._prefix) :].split(b"/")
            if name[0] == _SLOT and len(name) > 2 and name[1].isdigit():
                self._keys.setdefault(int(name[1]), set()).add(entry.key)
            if not _place(remembered, name, decode(entry.record), rules, position):
                remembered.damaged = True
        return remembered


def _place(into: Remembered, name: list[bytes], message: Message | None, rules: Rules, position: int) -> bool:
    """Put a record where it belongs; False when it cannot have been written by us under this name."""
    match name, message:
        case [b"stable"], Stable() if rules.stable_holds(message):
            into.stable = message
        case [b"view"], ViewChange() if message.position == position and _is_signed(message, rules):
            into.view = message
        case [b"view"], NewView() if message.position == rules.leader(message.view) and _is_signed(message, rules):
            into.view = message
        case [b"muted"], Muted():
            into.muted = message
        case [b"slot", number, kind], Vote(phase=phase) if kind == b"vote%d" % phase and number == _digits(message):
            if message.position != position or not vote_holds(message, rules):
                return False
            into.votes.append(message)
        case [b"slot", number, b"prepared"], Prepared() if number == _digits(message):
            if not prepared_holds(message, rules):
                return False
            into.prepared.append(message)
        case [b"slot", number, b"decided"], Relayed(votes=votes):
            decision = agreement(votes, rules.quorum)
            if not decision or not all(number == _digits(vote) and vote_holds(vote, rules) for vote in decision):
                return False
            into.decisions.append(decision)
        case [b"slot", number, b"proposal", digest], Proposal() if number == _digits(message):
            if digest != rules.scope.digest(message).hex().encode():
                return False
            into.proposals.append(message)
        case _:
            return False
    return True


def _is_signed(message: ViewChange | NewView, rules: Rules) -> bool:
    scope = rules.scope
    signed = scope.view_change(message) if isinstance(message, ViewChange) else scope.new_view(message)
    return rules.verify(message.position, signed, message.signature)


def _digits(message: Vote | Prepared | Proposal) -> bytes:
    return b"%d" % message.sequence
