"""Money between two ledgers, as a model: what each side keeps, what it takes on whose word, and who carries it.

One side lets money depart: it is locked there, for one recipient on one other ledger. The other side decides each
departure once and for ever, on a proof of it: *claimed* (the money arrives) or *refused*. The first gives it back on a
proof of the refusal, and on nothing else: no clock of its own, no silence, no word of whoever carries proofs. So the
question that every such protocol must answer, whether a late claim can meet an early refund, is answered by one
ledger's order of its own transactions.

    departure  open ──(proof of refused)──▶ given back       arrival  none ──(proof of departure)──▶ claimed
                └─────(proof of claimed)──▶ settled                    └─(the same, and its time)──▶ refused

A side takes money on the other's word up to a limit: what it has taken, less what it has seen arrive there. What is
under way may come back, and makes no room.

Proofs are of a block of some epoch of a ledger's validators. A side knows the other's present set and takes proofs of
that epoch alone; each change of the set is shown to it by the set before. What was proven under a set that is gone is
*said again*: either side repeats, in a new transaction, how a departure or an arrival stands, and that receipt is
proven.

Nothing here knows a contract, a signature or a byte. `Rules` are those of the protocol; a test breaks one at a time and
must notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple


class Refused(Exception):  # what a ledger says, not what fails
    """Nothing happened."""


BACK: Final = "given back"
SETTLED: Final = "settled"


class Departure(NamedTuple):
    """What the one side has locked."""

    id: str
    source: str
    destination: str
    sender: str
    recipient: str
    amount_minor: int
    refuse_from_ms: int
    """From this time of the *destination's* blocks on, anybody may have it refused; the recipient may before."""
    ended: str = ""
    """What came of it, where that is known here: BACK or SETTLED."""


class Arrival(NamedTuple):
    """What the other has decided of it."""

    departure: Departure
    claimed: bool


class Proof(NamedTuple):
    """That this stands on a ledger, by the set of this epoch. Only `Side.prove` makes one."""

    ledger: str
    epoch: int
    says: Departure | Arrival


class Handover(NamedTuple):
    """That the set of one epoch has handed over to the next."""

    ledger: str
    from_epoch: int


@dataclass(frozen=True)
class Rules:
    """What a side insists on. All of it is needed."""

    decided_once: bool = True
    refused_before_given_back: bool = True
    settled_when_claimed: bool = True
    ended_once: bool = True
    meant_for_us: bool = True
    proof_of_known_set: bool = True
    refusal_has_its_time: bool = True
    limit_kept: bool = True


ALL: Final = Rules()


@dataclass
class Known:
    """What a side knows of the other: its epoch, what it has taken on its word, what it has seen arrive there."""

    epoch: int = 0
    taken_minor: int = 0
    settled_minor: int = 0
    limit_minor: int = 10_000


@dataclass
class State:
    """All that a ledger keeps; durable, and changed by whole transactions only."""

    balances: dict[str, int]
    departures: dict[str, Departure] = field(default_factory=dict)
    arrivals: dict[str, Arrival] = field(default_factory=dict)
    known: Known = field(default_factory=Known)
    epoch: int = 0
    time_ms: int = 0
    number: int = 0

    def copy(self) -> State:
        return replace(
            self,
            balances=dict(self.balances),
            departures=dict(self.departures),
            arrivals=dict(self.arrivals),
            known=replace(self.known),
        )


class Side:
    """One ledger. Every method is a transaction: it happens whole, or raises and changes nothing."""

    def __init__(self, name: str, other: str, balances: dict[str, int], rules: Rules = ALL) -> None:
        self.name, self.other, self.rules = name, other, rules
        self.state = State(balances)

    # ------------------------------------------------------------ as the source

    def depart(self, sender: str, recipient: str, amount_minor: int, refuse_from_ms: int, *, to: str = "") -> Departure:
        """Lock the money, for this recipient on the other ledger, or on a further one."""
        state = self.state
        if not 0 < amount_minor <= state.balances.get(sender, 0):
            raise Refused("not enough")
        state.number += 1
        made = Departure(
            f"{self.name}/{state.number}", self.name, to or self.other, sender, recipient, amount_minor, refuse_from_ms
        )
        state.balances[sender] -= amount_minor
        state.departures[made.id] = made
        return made

    def give_back(self, proof: Proof) -> None:
        """To the sender, what the other ledger has refused."""
        made, claimed = self._decided(proof)
        if claimed and self.rules.refused_before_given_back:
            raise Refused("it was claimed")
        self._return(made)

    def settle(self, proof: Proof) -> None:
        """What the other ledger has let arrive comes back no more."""
        made, claimed = self._decided(proof)
        if not claimed and self.rules.settled_when_claimed:
            raise Refused("it was refused")
        self.state.departures[made.id] = made._replace(ended=SETTLED)
        self.state.known.settled_minor += made.amount_minor

    def _decided(self, proof: Proof) -> tuple[Departure, bool]:
        self._require_known(proof)
        arrival = proof.says
        if not isinstance(arrival, Arrival):
            raise Refused("this proves no decision")
        made = self.state.departures.get(arrival.departure.id)
        if made is None:
            raise Refused("no such departure")
        if made.ended and self.rules.ended_once:
            raise Refused(f"it was {made.ended}")
        return made, arrival.claimed

    def give_back_by_own_clock(self, named: str) -> None:
        """What the protocol does not have: a refund without the other's word."""
        made = self.state.departures[named]
        if made.ended or self.state.time_ms < made.refuse_from_ms:
            raise Refused("not yet")
        self._return(made)

    def _return(self, made: Departure) -> None:
        state = self.state
        state.departures[made.id] = made._replace(ended=BACK)
        state.balances[made.sender] = state.balances.get(made.sender, 0) + made.amount_minor

    # ------------------------------------------------------------ as the destination

    def claim(self, proof: Proof) -> None:
        """Let it arrive."""
        made = self._departed(proof)
        known, state = self.state.known, self.state
        net_minor = known.taken_minor - known.settled_minor + made.amount_minor
        if self.rules.limit_kept and net_minor > known.limit_minor:
            raise Refused("more than this ledger takes on the other's word")
        state.arrivals[made.id] = Arrival(made, claimed=True)
        state.balances[made.recipient] = state.balances.get(made.recipient, 0) + made.amount_minor
        known.taken_minor += made.amount_minor

    def refuse(self, proof: Proof, by: str) -> None:
        """Decide that it will never arrive: by the recipient at any time, by anybody from its time on."""
        made = self._departed(proof)
        early = self.state.time_ms < made.refuse_from_ms and by != made.recipient
        if early and self.rules.refusal_has_its_time:
            raise Refused("its recipient still has time")
        self.state.arrivals[made.id] = Arrival(made, claimed=False)

    def _departed(self, proof: Proof) -> Departure:
        self._require_known(proof)
        made = proof.says
        if not isinstance(made, Departure):
            raise Refused("this proves no departure")
        if made.destination != self.name and self.rules.meant_for_us:
            raise Refused("it is for another ledger")
        if made.id in self.state.arrivals and self.rules.decided_once:
            raise Refused("it is decided")
        return made

    # ------------------------------------------------------------ sets, and what is said again

    def _require_known(self, proof: Proof) -> None:
        if not self.rules.proof_of_known_set:
            return
        if (proof.ledger, proof.epoch) != (self.other, self.state.known.epoch):
            raise Refused("not by the set that is known")

    def follow(self, handover: Handover) -> None:
        """The other's set has changed, as its set before certified."""
        known = self.state.known
        if (handover.ledger, handover.from_epoch) != (self.other, known.epoch):
            raise Refused("this hands over from another set than the one that is known")
        known.epoch += 1

    def change_set(self) -> Handover:
        self.state.epoch += 1
        return Handover(self.name, self.state.epoch - 1)

    def prove(self, named: str, *, decision: bool = False) -> Proof:
        """Say again how it stands, and prove that: under the set of now."""
        said: Departure | Arrival | None
        said = self.state.arrivals.get(named) if decision else self.state.departures.get(named)
        if said is None:
            raise Refused("there is nothing to prove")
        return Proof(self.name, self.state.epoch, said)

    def supply_minor(self) -> int:
        return sum(self.state.balances.values())


class Relayer:
    """Carries proofs between two sides. It keeps nothing that it could not ask for again, and is believed nothing."""

    def __init__(self, first: Side, second: Side, handovers: Callable[[str], list[Handover]]) -> None:
        self._sides = (first, second)
        self._handovers = handovers

    def once(self) -> int:
        """Look at both ledgers, and bring each what the other needs; how much it could do."""
        done = 0
        for source, destination in (self._sides, self._sides[::-1]):
            done += self._bring_sets(source, destination)
            for named, made in list(source.state.departures.items()):
                if made.ended or made.destination != destination.name:
                    continue
                decided = destination.state.arrivals.get(named)
                if decided is None:
                    proof = source.prove(named)
                    done += _tried(lambda proof=proof, to=destination: to.claim(proof))  # type: ignore[misc]
                    if named not in destination.state.arrivals:
                        done += _tried(lambda proof=proof, to=destination: to.refuse(proof, "relayer"))  # type: ignore[misc]
                    continue
                proof = destination.prove(named, decision=True)
                end = source.settle if decided.claimed else source.give_back
                done += _tried(lambda proof=proof, end=end: end(proof))  # type: ignore[misc]
        return done

    def _bring_sets(self, first: Side, second: Side) -> int:
        done = 0
        for of, to in ((first, second), (second, first)):
            for handover in self._handovers(of.name)[to.state.known.epoch :]:
                done += _tried(lambda handover=handover, to=to: to.follow(handover))  # type: ignore[misc]
        return done


def _tried(act: Callable[[], None]) -> int:
    try:
        act()
    except Refused:
        return 0
    return 1
