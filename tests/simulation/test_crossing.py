"""Money between two ledgers: whatever is repeated, reordered, late or lost, it is in one place, and gets somewhere."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.simulation.crossing import ALL, BACK, SETTLED, Handover, Proof, Refused, Relayer, Rules, Side, State

SCHEDULES = 100
STEPS = 120
PEOPLE = ("ann", "bob", "cem")
ISSUED_MINOR = 1_000


class Broken(AssertionError):
    """A law does not hold."""


class World:
    """Two ledgers, everybody who acts, and whoever carries what they can prove. All of it from one seed."""

    def __init__(
        self, seed: int, rules: Rules = ALL, *, limit_minor: int = 10_000, clock_refunds: bool = False
    ) -> None:
        self.random = random.Random(seed)  # nothing secret hangs on it
        self.a, self.b = (self._side(name, other, rules, limit_minor) for name, other in (("a", "b"), ("b", "a")))
        self.stranger = self._side("stranger", "b", ALL, limit_minor)
        self.handovers: dict[str, list[Handover]] = {"a": [], "b": []}
        self.carried: list[Proof] = []
        """Every proof that was ever made: each may come at any time, again and again."""
        self.before: list[tuple[Side, State]] = []
        self.clock_refunds = clock_refunds

    def _side(self, name: str, other: str, rules: Rules, limit_minor: int) -> Side:
        side = Side(name, other, dict.fromkeys(PEOPLE, ISSUED_MINOR), rules)
        side.state.known.limit_minor = limit_minor
        return side

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.a, self.b

    # ------------------------------------------------------------ what happens

    def step(self) -> None:
        side = self.random.choice(self.sides)
        acts: list[tuple[int, Callable[[Side], None]]] = [
            (4, self._depart),
            (6, self._prove),
            (14, self._bring),
            (3, self._time_goes_on),
            (1, self._change_set),
            (4, self._follow),
            (2, self._crash),
            (1, self._forge),
            (1, self._relay),
        ]
        if self.clock_refunds:
            acts.append((3, self._refund_by_clock))
        weights, kinds = zip(*acts, strict=True)
        try:
            self.random.choices(kinds, weights)[0](side)
        except Refused:
            return

    def _depart(self, side: Side) -> None:
        sender, recipient = self.random.choice(PEOPLE), self.random.choice(PEOPLE)
        elsewhere = "elsewhere" if self.random.random() < 0.1 else ""
        amount_minor, time_ms = self.random.randint(1, 300), side.state.time_ms + self.random.randint(0, 50)
        side.depart(sender, recipient, amount_minor, time_ms, to=elsewhere)

    def _prove(self, side: Side) -> None:
        of = self.random.choice((side, side, side, self.stranger))
        if of is self.stranger:
            of.depart("ann", "bob", 1, 0) if of.state.balances["ann"] else None
        decision = bool(self.random.getrandbits(1))
        known = list(of.state.arrivals if decision else of.state.departures)
        if known:
            self.carried.append(of.prove(self.random.choice(known), decision=decision))

    def _bring(self, side: Side) -> None:
        if self.carried:
            proof = self.random.choice(self.carried[-12:] if self.random.getrandbits(2) else self.carried)
            by = self.random.choice((*PEOPLE, "relayer"))
            acts = (side.claim, lambda one: side.refuse(one, by), side.give_back, side.settle)
            self.random.choice(acts)(proof)

    def _time_goes_on(self, side: Side) -> None:
        """Of one ledger alone: their clocks agree on nothing."""
        side.state.time_ms += self.random.randint(1, 60)

    def _change_set(self, side: Side) -> None:
        self.handovers[side.name].append(side.change_set())

    def _follow(self, side: Side) -> None:
        told, epoch = self.handovers[side.other], side.state.known.epoch
        if told:
            side.follow(told[epoch] if epoch < len(told) and self.random.getrandbits(1) else self.random.choice(told))

    def _crash(self, side: Side) -> None:
        """In the middle of a transaction: what is durable is from before it. Nobody had been told otherwise."""
        whole = side.state.copy()
        try:
            self._bring(side)
        finally:
            side.state = whole

    def _forge(self, side: Side) -> None:
        """What nobody certified: of a set that is gone, or of the future."""
        if self.carried:
            proof = self.random.choice(self.carried)
            self.carried.append(proof._replace(epoch=proof.epoch + self.random.choice((-1, 1))))

    def _relay(self, _: Side) -> None:
        """One that begins anew each time, and may be ended after any part of its work."""
        Relayer(self.a, self.b, self.handovers.__getitem__).once()

    def _refund_by_clock(self, side: Side) -> None:
        if side.state.departures:
            side.give_back_by_own_clock(self.random.choice(list(side.state.departures)))

    # ------------------------------------------------------------ what must hold

    def check(self) -> None:
        """The audit over two ledgers: from their records alone, and from their balances."""
        under_way = 0
        for source, destination in (self.sides, self.sides[::-1]):
            for named, made in source.state.departures.items():
                arrival = destination.state.arrivals.get(named)
                if arrival is not None and made.destination != destination.name:
                    raise Broken(f"{named} arrived elsewhere")
                if arrival is not None and arrival.departure._replace(ended=made.ended) != made:
                    raise Broken(f"{named} arrived as something else")
                claimed = arrival is not None and arrival.claimed
                if claimed and made.ended == BACK:
                    raise Broken(f"{named} is in both places")
                if made.ended and arrival is None:
                    raise Broken(f"{named} was {made.ended}, and could still be claimed")
                if made.ended == SETTLED and not claimed:
                    raise Broken(f"{named} is nowhere")
                under_way += 0 if claimed or made.ended == BACK else made.amount_minor
            strays = destination.state.arrivals.keys() - source.state.departures.keys()
            if strays:
                raise Broken(f"{strays} arrived from nowhere")
            known = destination.state.known
            if known.taken_minor - known.settled_minor > known.limit_minor:
                raise Broken("more was taken on the other's word than was allowed")
        total = self.a.supply_minor() + self.b.supply_minor() + under_way
        if total != 2 * len(PEOPLE) * ISSUED_MINOR:
            raise Broken(f"{total} instead of {2 * len(PEOPLE) * ISSUED_MINOR}")

    def settle(self) -> None:
        """Time goes on everywhere, and a carrier does its work: nothing may stay under way."""
        for _ in range(6):
            for side in self.sides:
                side.state.time_ms += 1_000_000
            Relayer(self.a, self.b, self.handovers.__getitem__).once()
        for source, destination in (self.sides, self.sides[::-1]):
            for named, made in source.state.departures.items():
                arrival = destination.state.arrivals.get(named)
                if made.destination == destination.name and (arrival is None or not made.ended):
                    raise Broken(f"{named} stays under way")
        if Relayer(self.a, self.b, self.handovers.__getitem__).once():
            raise Broken("a carrier that has done everything does it again")


def play(seed: int, rules: Rules = ALL, **options: object) -> Counter[str]:
    """Raises Broken; answers how departures ended before a carrier came that does everything."""
    world = World(seed, rules, **options)  # type: ignore[arg-type]
    for _ in range(STEPS):
        world.step()
        world.check()
    ended = Counter(made.ended for side in world.sides for made in side.state.departures.values())
    world.settle()
    world.check()
    return ended


def play_all(rules: Rules, **options: object) -> Counter[str]:
    ended = Counter[str]()
    for seed in range(SCHEDULES):
        try:
            ended += play(seed, rules, **options)
        except Broken as broken:
            raise Broken(f"seed {seed}: {broken}") from broken
    return ended


@pytest.mark.parametrize("limit_minor", [10_000, 500, 0])
def test_money_is_in_one_place_and_gets_somewhere(limit_minor: int) -> None:
    """Proofs that come twice, late, in any order, of former sets, of other ledgers; ledgers that crash, clocks that
    disagree, carriers that forget; a ledger that takes little on the other's word, or nothing."""
    ended = play_all(ALL, limit_minor=limit_minor)
    assert ended[BACK] >= 10
    assert ended[""] > SCHEDULES
    assert (ended[SETTLED] > SCHEDULES) is (limit_minor > 0)


@pytest.mark.parametrize("rule", sorted(Rules.__dataclass_fields__))
def test_every_rule_is_needed(rule: str) -> None:
    """Without it some schedule breaks a law, or the recipient's time: none of the rules is idle."""
    broken = replace(ALL, **{rule: False})
    if rule == "refusal_has_its_time":
        assert early(broken)
        assert not early(ALL)
        return
    with pytest.raises(Broken):
        play_all(broken, limit_minor=500)


def early(rules: Rules) -> bool:
    """Is a departure refused by a stranger while its recipient still has time?"""
    world = World(0, rules)
    made = world.a.depart("ann", "bob", 10, 1_000)
    try:
        world.b.refuse(world.a.prove(made.id), "cem")
    except Refused:
        return False
    return True


def test_a_refund_by_ones_own_clock_pays_twice() -> None:
    """Why the source waits for the destination's word: two clocks and a late proof are enough."""
    with pytest.raises(Broken, match=r"in both places|could still be claimed"):
        play_all(ALL, clock_refunds=True)


def test_a_recipient_may_refuse_at_once_and_the_sender_has_it_back() -> None:
    """Nobody need wait for the time to pass."""
    world = World(0)
    made = world.a.depart("ann", "bob", 10, 1_000_000)
    world.b.refuse(world.a.prove(made.id), "bob")
    with pytest.raises(Refused):
        world.b.claim(world.a.prove(made.id))
    world.a.give_back(world.b.prove(made.id, decision=True))
    assert world.a.state.balances["ann"] == ISSUED_MINOR
    world.check()


def test_what_was_proven_under_a_set_that_is_gone_is_said_again() -> None:
    """An old proof is worth nothing, whoever keeps the old keys; the ledger itself says the same under the new set."""
    world = World(0)
    made = world.a.depart("ann", "bob", 10, 0)
    old = world.a.prove(made.id)
    handover = world.a.change_set()
    world.b.follow(handover)
    with pytest.raises(Refused):
        world.b.claim(old)
    with pytest.raises(Refused):
        world.b.follow(handover)
    world.b.claim(world.a.prove(made.id))
    world.check()
