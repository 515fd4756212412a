"""A network of engines under one seeded clock: what the driver does for real, played by the rules of chance.

Everything that may happen to validators happens here: delay, loss, duplication, reordering, partitions,
crashes between any two durable writes, restarts, and members that lie. A schedule is a pure function
of its seed, so every failure can be played again.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial

from ledgernode.consensus.engine import Engine, Evidence, MiningJob
from ledgernode.consensus.pbft.core import Pbft, Timing
from ledgernode.consensus.pbft.messages import PrePrepare, Stable, ViewChange, Vote, decode
from ledgernode.consensus.pbft.view_change import Rules
from ledgernode.errors import BadProof
from ledgernode.wire.block import header_hash
from ledgernode.wire.types import Epoch, Height
from ledgernode.wire.validators import parse_certificate, vote_bytes
from tests.simulation.membership import CHAIN, GENESIS_MS, SCOPE, STARTS_MS, Membership, founders, sign_as, verify
from tests.simulation.node import BASE, Block, Lie, Node, Violation

__all__ = [
    "BASE",
    "CHAIN",
    "GENESIS_MS",
    "SCOPE",
    "STARTS_MS",
    "Lie",
    "Links",
    "Node",
    "Violation",
    "World",
    "sign_as",
    "verify",
]

TRACE_LINES = 60
SET_WINDOW = 8

Filter = Callable[[int, int, bytes], bool]
"""(sender, receiver, message) -> is it stopped?"""


@dataclass
class Links:
    """What the network does to a message."""

    random: random.Random
    delay_ms: tuple[int, int] = (1, 40)
    loss: float = 0.0
    duplication: float = 0.0
    cut: set[tuple[int, int]] = field(default_factory=set)

    def deliveries(self, sender: int, receiver: int) -> tuple[int, ...]:
        """The delays after which copies of a message arrive; none when it is lost."""
        if (sender, receiver) in self.cut:
            return ()
        draw = self.random.random
        if self.loss and draw() < self.loss:
            return ()
        least_ms, most_ms = self.delay_ms
        first = least_ms + int(draw() * (most_ms - least_ms + 1))
        if self.duplication and draw() < self.duplication:
            return first, least_ms + int(draw() * (most_ms - least_ms + 1))
        return (first,)


class World:
    """Validators that order by PBFT. `tests.simulation.mining` has the world of miners."""

    mines = False

    def __init__(self, seed: int, members: int, timing: Timing, window: int = 32) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.members = members
        self.timing = timing
        self.window = window
        self.now_ms = 0
        self.events = 0
        self.links = Links(self.random)
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.order = 0
        self.canonical: dict[int, bytes] = {}
        self.acknowledged: dict[bytes, int] = {}
        self.evidence: set[int] = set()
        self.voted: dict[tuple[int, int, int, int, int], bytes] = {}
        self.left: dict[tuple[int, int], int] = {}
        self.forgetful: set[int] = set()
        self.halts: dict[int, str] = {}
        self.faulty: set[int] = set()
        self.trace: deque[str] = deque(maxlen=TRACE_LINES)
        self.faults = 0
        self.founders = founders(members)
        self.set_window = SET_WINDOW
        self.changes_sets = False
        self.epochs: dict[int, Membership] = {0: self.founders}
        self.stirred = False
        self.nodes = [Node(self, position) for position in range(members)]
        self.twins: dict[int, Node] = {}
        self.filters: list[Filter] = []

    # ------------------------------------------------------------ parts

    def make_engine(self, node: Node) -> Engine:
        membership, base = node.membership, node.base
        members = len(membership.keys)
        holds = partial(stable_holds, membership, base)
        rules = Rules(membership.scope, members, self.window, membership.verify, holds)
        place = membership.places[node.position]
        return Pbft(rules, place, partial(sign_as, node.position), base, self.timing)

    def standing_of(self, engine: Engine) -> tuple[int, bool]:
        return (engine.view, engine.changing) if isinstance(engine, Pbft) else (0, False)

    def is_silent(self, engine: Engine) -> bool:
        return isinstance(engine, Pbft) and engine.silent

    def check_word(self, node: Node, epoch: int, message: bytes) -> None:
        """An honest member says one thing for each phase, view and sequence, and nothing of a view it has left."""
        said = decode_once(message)
        vote = said.vote if isinstance(said, PrePrepare) else said
        if isinstance(vote, Vote):
            key = node.position, epoch, vote.phase, vote.view, vote.sequence
            if self.voted.setdefault(key, vote.digest) != vote.digest:
                raise Violation(f"node {node.position} has voted twice: {vote.phase.name}, view {vote.view}")
            if vote.view < self.left.get((node.position, epoch), 0):
                raise Violation(f"node {node.position} votes in view {vote.view}, which it has left")
        elif isinstance(said, ViewChange):
            left = self.left.get((node.position, epoch), 0)
            self.left[node.position, epoch] = max(left, said.view)

    def is_honest(self, position: int) -> bool:
        return position not in self.faulty and position not in self.forgetful

    def mine(self, node: Node, job: MiningJob | None) -> None:
        """Nobody mines here."""

    def handed_over(self, node: Node) -> None:
        """One chain, one set an epoch: the headers say so, and here it is seen to."""
        membership = node.membership
        node.note(f"begins epoch {membership.epoch} of {list(membership.keys)}")
        if self.epochs.setdefault(membership.epoch, membership) != membership:
            raise Violation(f"node {node.position} begins epoch {membership.epoch} with another set")

    def expects(self, position: int) -> Node:
        """A machine that is to join: it observes from now on, and orders when a decided set names its key."""
        self.changes_sets = True
        while len(self.nodes) <= position:
            self.nodes.append(Node(self, len(self.nodes)))
        return self.nodes[position]

    # ------------------------------------------------------------ time and network

    def at(self, time_ms: int, action: Callable[[], None]) -> None:
        self.order += 1
        heapq.heappush(self.queue, (time_ms, self.order, action))

    def later(self, delay_ms: int, node: Node, action: Callable[[], None]) -> None:
        """Do it unless the node has crashed or restarted by then."""
        generation = node.generation

        def run() -> None:
            if node.generation == generation:
                node.meet(action)

        self.at(self.now_ms + delay_ms, run)

    def transmit(self, sender: Node, receiver: int, action: Callable[[Node], None]) -> None:
        for node in self.machines(receiver):
            if hear_each_other(sender, node):
                for delay in self.links.deliveries(sender.position, receiver):
                    self.at(self.now_ms + delay, partial(node.meet, partial(action, node)))

    def machines(self, position: int) -> tuple[Node, ...]:
        """One, or two with the same key."""
        twin = self.twins.get(position)
        return (self.nodes[position],) if twin is None else (self.nodes[position], twin)

    def send(self, sender: Node, membership: Membership, places: tuple[int, ...], message: bytes) -> None:
        """To the members at these places, or to all others."""
        if self.is_honest(sender.position):
            self.check_word(sender, membership.epoch, message)
        for receiver in [membership.keys[place] for place in places] if places else membership.keys:
            if receiver == sender.position:
                continue
            if not sender.lies:
                self.carry(sender, receiver, message, membership.epoch)
                continue
            said = [message]
            for lie in sender.lies:
                said = [told for truth in said for told in lie(truth, receiver)]
            for told in said:
                self.carry(sender, receiver, told, membership.epoch)

    def carry(self, sender: Node, receiver: int, message: bytes, epoch: Epoch | None = None) -> None:
        """One message on its way, of the sender's present epoch unless told otherwise; a scenario may stop it."""
        position = sender.position
        if self.filters and any(stops(position, receiver, message) for stops in self.filters):
            return
        of = sender.membership.epoch if epoch is None else epoch
        for node in self.machines(receiver) if self.twins else (self.nodes[receiver],):
            if not self.twins or hear_each_other(sender, node):
                for delay in self.links.deliveries(position, receiver):
                    self.order += 1
                    action = partial(node.hear, position, of, message)
                    heapq.heappush(self.queue, (self.now_ms + delay, self.order, action))

    def catch_up(self, node: Node, height: int) -> None:
        peer = self.nodes[self.random.randrange(len(self.nodes))]

        def answer(giver: Node) -> None:
            blocks = [block for block in giver.chain[len(node.chain) : height] if block.certificate]
            if blocks and not giver.hoards:
                self.transmit(giver, node.position, lambda taker: taker.adopt(blocks))

        self.transmit(node, peer.position, answer)

    def run(self, until_ms: int, finished: Callable[[], bool] = lambda: False) -> bool:
        """Play until then, or until finished, which is asked when chains, mempools or machines have changed."""
        if finished():
            return True
        while self.queue and self.queue[0][0] <= until_ms:
            self.now_ms, _, action = heapq.heappop(self.queue)
            action()
            if self.stirred:
                self.stirred = False
                if finished():
                    return True
        self.now_ms = until_ms
        return finished()

    # ------------------------------------------------------------ faults and work

    def start(self) -> None:
        for node in self.nodes[: self.members]:
            node.start()

    def crash(self, position: int) -> None:
        self.fault(f"node {position}  crashes")
        for node in self.machines(position):
            node.crash()

    def restart(self, position: int) -> None:
        for node in self.machines(position):
            if not node.up:
                self.note(f"node {position}  starts")
                node.start()

    def add_twin(self, position: int, hears: Iterable[int]) -> None:
        """A second machine with this key: each is heard by its own part of the network."""
        side = frozenset(hears)
        self.faulty.add(position)
        self.nodes[position].hears = frozenset(range(len(self.nodes))) - side
        self.twins[position] = Node(self, position, side)

    def submit(self, envelope: bytes) -> None:
        """A client hands a transaction to all validators, as the mempools' gossip does."""
        for node in (*self.nodes, *self.twins.values()):
            for delay in self.links.deliveries(-1, node.position):
                self.at(self.now_ms + delay, partial(node.take, envelope))

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now_ms:>8} ms  {text}")

    def fault(self, text: str) -> None:
        self.faults += 1
        self.note(text)

    # ------------------------------------------------------------ checkers

    def check_block(self, node: Node, block: Block) -> None:
        """No two blocks at one height."""
        hashed = header_hash(block.header)
        if node.position in self.faulty:
            return
        known = self.canonical.setdefault(block.header.height, hashed)
        if known != hashed:
            raise Violation(f"node {node.position} has another block at height {block.header.height}")

    def accuse(self, membership: Membership, evidence: Evidence) -> None:
        """Two votes that contradict each other: only a liar can have cast them."""
        position = membership.keys[evidence.position]
        self.note(f"node {position}  is seen to have voted twice")
        self.evidence.add(position)
        if self.is_honest(position):
            raise Violation(f"node {position} is honest and accused")

    def acknowledge(self, block: Block) -> None:
        for item in block.batch.envelopes:
            self.acknowledged.setdefault(item, block.header.height)

    def check_end(self) -> None:
        """Every honest chain is the same and holds all that was acknowledged, once."""
        honest = [node for node in self.nodes if node.position not in self.faulty]
        lengths = {len(node.chain) for node in honest}
        if len(lengths) != 1:
            raise Violation(f"chains end at different heights: {sorted(lengths)}")
        held = {item for block in honest[0].chain for item in block.batch.envelopes}
        missing = [item for item in self.acknowledged if item not in held]
        if missing:
            raise Violation(f"{len(missing)} acknowledged transactions are lost")

    def story(self) -> str:
        """What happened last, a line each: when, who, what."""
        return "\n".join(self.trace)


decode_once = lru_cache(maxsize=1 << 12)(decode)
"""What many look at is read once; messages are immutable."""


def hear_each_other(sender: Node, receiver: Node) -> bool:
    """Only of twins is it asked whom they hear."""
    return (sender.hears is None or receiver.position in sender.hears) and (
        receiver.hears is None or sender.position in receiver.hears
    )


def stable_holds(membership: Membership, base: Stable, stable: Stable) -> bool:
    """Is this what the epoch began from, or did q members sign it?"""
    if stable == base:
        return True
    try:
        certificate = parse_certificate(stable.certificate)
    except BadProof:
        return False
    message = vote_bytes(CHAIN, membership.epoch, Height(stable.height), stable.header_hash)
    valid = {place for place, signature in certificate.signatures if membership.verify(place, message, signature)}
    return len(valid) >= membership.quorum
