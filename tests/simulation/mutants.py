"""Engines with one rule broken, and the proof that the simulator notices: `python -m tests.simulation.mutants`.

Each mutant is played through random schedules until one of them ends in a violation. One that survives is a
hole in the simulator, not a virtue of the mutant.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

from ledgernode.consensus.pbft import changing, journal, ordering
from ledgernode.consensus.pbft.helping import Helping
from ledgernode.consensus.pbft.messages import Phase, Stable, Vote, no_op
from ledgernode.consensus.pbft.ordering import Ordering
from ledgernode.consensus.pbft.recalling import Recalling
from ledgernode.consensus.pbft.slot import Slot
from ledgernode.consensus.pbft.view_change import Outcome, Rules, outcome
from tests.simulation.liars import Liar, forging, usurping
from tests.simulation.node import Block, Coming, Node
from tests.simulation.schedule import FAULTS_UNTIL_MS, one_ahead, play
from tests.simulation.world import Violation, World

LIMIT_S = 120


class Caught(NamedTuple):
    seeds: int
    seconds: float
    reason: str


class Mutant(NamedTuple):
    name: str
    breaks: Callable[[], AbstractContextManager[Any]] = nullcontext
    alter: Callable[[World], None] = lambda _: None
    first: int = 0
    """The seed that the hunt begins with: a schedule that stands still for ever is long."""


# ------------------------------------------------------------ what is broken


def drop_prepared() -> AbstractContextManager[Any]:
    return patch.object(Ordering, "prepared", lambda self: ())


@contextmanager
def count_twice() -> Iterator[None]:
    """A vote received again counts again."""

    def count(self: Slot, vote: Vote) -> None:
        if vote.phase is Phase.PRE_PREPARE:
            self.pre_prepare = vote
        else:
            votes = self.prepares if vote.phase is Phase.PREPARE else self.commits
            votes[vote.position if vote.position not in votes else 1_000 + len(votes)] = vote
            self.has_new_commits |= votes is self.commits

    with patch.object(Slot, "count", count), patch.object(Slot, "knows", lambda self, vote: False):
        yield


def commit_with_one_less() -> AbstractContextManager[Any]:
    whole = Slot.deciding
    return patch.object(Slot, "deciding", lambda self, quorum: whole(self, quorum - 1))


@contextmanager
def prepare_with_one_less() -> Iterator[None]:
    whole = Slot.prepare_certificate
    with (
        patch.object(Slot, "prepare_certificate", lambda self, quorum: whole(self, quorum - 1)),
        patch.object(changing, "fault_in_view_change", lambda change, rules: ""),
        patch.object(changing, "fault_in_new_view", lambda message, rules, believed: ""),
    ):
        yield


def believe_new_views() -> AbstractContextManager[Any]:
    return patch.object(changing, "fault_in_new_view", lambda message, rules, believed: "")


def prefer_no_ops() -> AbstractContextManager[Any]:
    def empty(changes: Any, scope: Any) -> Outcome:
        told = outcome(changes, scope)
        return Outcome(told.stable, {sequence: scope.digest(no_op(sequence)) for sequence in told.required})

    return patch.object(changing, "outcome", empty)


def forget_on_word() -> AbstractContextManager[Any]:
    """How a block was decided is forgotten as soon as a peer shows that one above is certified."""
    whole = Ordering.prove

    def prove(self: Any, stable: Stable) -> None:
        news = stable.height > self._seat.proven.height
        whole(self, stable)
        if news:
            self.stabilise(stable)

    return patch.object(Ordering, "prove", prove)


@contextmanager
def forget_own_votes() -> Iterator[None]:
    """Nothing but the view is read from the log, and nobody is asked."""
    with (
        patch.object(Ordering, "restore", lambda self, remembered, begins: None),
        patch.object(Recalling, "is_asking", property(lambda self: False)),
        patch.object(Recalling, "overhear", lambda self, vote: None),
    ):
        yield


def never_prove() -> AbstractContextManager[Any]:
    """Nothing shows that blocks were certified elsewhere."""
    return patch.object(Helping, "help", lambda self, sender, standing: None)


def forget_the_view() -> AbstractContextManager[Any]:
    """The view change is not in the log, so that a restart votes in a view it has left."""
    return patch.object(journal.Journal, "view", lambda self, message: None)


def vote_while_leaving() -> AbstractContextManager[Any]:
    """Votes go on in a view that was left."""
    return patch.object(
        changing.ViewChanging,
        "leave_for",
        _leave_in_words_only(changing.ViewChanging.leave_for),
    )


def _leave_in_words_only(leave: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
    def said(self: Any, view: int) -> None:
        before = self._seat.view, self._seat.changing
        leave(self, view)
        if self._seat.changing:
            self._seat.view, self._seat.changing = before

    return said


def never_help() -> AbstractContextManager[Any]:
    """A lost message is the end: nothing is said again."""
    return patch.object(Helping, "repeat", lambda self: None)


def accept_any_signature() -> AbstractContextManager[Any]:
    def holds(vote: Vote, rules: Rules) -> bool:
        return True

    return patch.object(ordering, "vote_holds", holds)


def ignore_the_end() -> AbstractContextManager[Any]:
    """Ordering goes on above the last height of the epoch."""
    return patch.object(Ordering, "end_at", lambda self, height: None)


@contextmanager
def hand_over_early() -> Iterator[None]:
    """The old epoch's engine is let go when its last block is executed here, certified or not."""
    whole = Node.append

    def append(self: Node, block: Block, coming: Coming | None) -> None:
        whole(self, block, coming)
        if self.ends_with(block):
            self.world.later(0, self, self.hand_over)

    with patch.object(Node, "append", append), patch.object(Node, "uncertified", lambda self: []):
        yield


def send_first(played: World) -> None:
    for node in played.nodes:
        node.sends_first = True


def tempt_to_commit(world: World) -> None:
    """Hard times for a quorum: a forger among them, and again and again one is ahead of the others, and gone."""
    chance = random.Random(world.seed)
    tempt(world, chance, chance.randrange(world.members), forging)


def tempt_to_believe(world: World) -> None:
    """The same, and whoever leads next begins its view on nothing."""
    tempt(world, random.Random(world.seed), 1, usurping)


def tempt_to_forget(world: World) -> None:
    """The same, and one keeps all certificates to itself."""
    tempt(world, random.Random(world.seed), 0)
    world.nodes[0].hoards = True


def tempt(world: World, chance: random.Random, liar: int, *lies: Liar) -> None:
    world.faulty.add(liar)
    world.nodes[liar].lies += [make(world, world.nodes[liar], chance) for make in lies]
    world.links.loss, world.links.delay_ms = 0.0, (1, 20)
    for start_ms in range(500, FAULTS_UNTIL_MS, 3_000):
        one_ahead(world, chance, start_ms)


MUTANTS = (
    Mutant("a prepared certificate is dropped in a view change", drop_prepared),
    Mutant("a vote is counted twice", count_twice),
    Mutant("a vote is sent before it is persisted", alter=send_first),
    Mutant("COMMIT takes one vote less", commit_with_one_less, tempt_to_commit),
    Mutant("PREPARE takes one vote less", prepare_with_one_less),
    Mutant("NEW-VIEW is believed", believe_new_views, tempt_to_believe),
    Mutant("a no-op is preferred to what was prepared", prefer_no_ops),
    Mutant("how a block was decided is forgotten on a peer's word", forget_on_word, tempt_to_forget),
    Mutant("own votes are forgotten at a restart", forget_own_votes),
    Mutant("the view is forgotten at a restart", forget_the_view),
    Mutant("votes go on in a view that was left", vote_while_leaving),
    Mutant("nothing is said again", never_help),
    Mutant("signatures are not checked", accept_any_signature),
    Mutant("the end of an epoch is ignored", ignore_the_end),
    Mutant("an epoch is handed over before it is certified", hand_over_early, first=6),
    Mutant("whoever is far behind is not told", never_prove),
)


def hunt(mutant: Mutant, limit_s: float = LIMIT_S) -> Caught | None:
    """Play schedules until one notices; None when the time is up (of this process: others may share the machine)."""
    began = time.process_time()
    seed = mutant.first
    with mutant.breaks():
        while time.process_time() - began < limit_s:
            try:
                play(seed, mutant.alter)
            except Violation as violation:
                reason = str(violation).splitlines()[0].split("ms: ", 1)[-1]
                return Caught(seed - mutant.first + 1, time.process_time() - began, reason)
            seed += 1
    return None


def main() -> int:
    """Hunt them all, in every core; fails when one survives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for each")
    given = parser.parse_args()
    chosen = [number for number, mutant in enumerate(MUTANTS) if given.only in mutant.name]
    survivors = 0
    with multiprocessing.get_context("spawn").Pool() as pool:
        for number, caught in zip(chosen, pool.imap(partial(_hunt_one, given.limit), chosen), strict=True):
            survivors += caught is None
            told = f"{caught.seeds:>4} seeds {caught.seconds:>6.1f} s  {caught.reason[:70]}" if caught else "SURVIVED"
            print(f"{MUTANTS[number].name:<52} {told}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants caught")
    return survivors


def _hunt_one(limit_s: float, number: int) -> Caught | None:
    return hunt(MUTANTS[number], limit_s)


if __name__ == "__main__":
    sys.exit(main())
