"""A world of validators that follow a log: the log is one machine that never forgets, and its readers may lose it.

A reader is told what it has asked for, in order, with delay; some of it again, and late. Its reading breaks with a
crash, a cut, or the log's own outage, and then nothing more comes until it asks again. The log takes one of several
messages with an id, for a while; what is published in an outage is lost, or is there afterwards.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from hashlib import sha256

import msgspec

from ledgernode.consensus.engine import Engine, Ready, Received
from ledgernode.consensus.jetstream.core import Jetstream
from ledgernode.consensus.jetstream.messages import LOG, Entry, Opened, Publish, Read, decode, encode
from ledgernode.consensus.pbft.core import Timing
from ledgernode.wire.block import Batch
from ledgernode.wire.types import Height
from tests.simulation.membership import CHAIN, STARTS_MS, Membership, sign_as
from tests.simulation.node import Block, Node
from tests.simulation.world import World

BOUND_MS = 500
PAYLOAD_BYTES = 1 << 20
REMEMBERED_MS = 5_000
STANDING_MS = 1_000


class Log:
    """The stream. What is `forgotten` is told nobody any more."""

    def __init__(self, world: FollowingWorld, name: bytes = b"stream") -> None:
        self.world = world
        self.identity = sha256(name).digest()
        self.messages: list[tuple[int, bytes]] = []
        self.ids: dict[bytes, int] = {}
        self.forgotten = 0
        self.holes: set[int] = set()
        self.up = True
        self.skew_ms = 0

    @property
    def last(self) -> int:
        return len(self.messages)

    @property
    def first(self) -> int:
        return self.forgotten + 1

    def now(self) -> int:
        return STARTS_MS + self.world.now_ms + self.skew_ms

    def publish(self, named: bytes, payload: bytes) -> None:
        taken_ms = self.ids.get(named)
        if not self.up or (taken_ms is not None and self.world.now_ms - taken_ms < REMEMBERED_MS):
            return
        self.ids[named] = self.world.now_ms
        self.messages.append((self.now(), payload))
        for reader in self.world.readers.values():
            reader.go_on()

    def entry(self, sequence: int) -> Entry:
        time_ms, payload = self.messages[sequence - 1]
        return Entry(sequence, time_ms, payload)


class Reader:
    """One validator's reading: what was asked for comes in order, and something of it twice."""

    def __init__(self, world: FollowingWorld, node: Node) -> None:
        self.world = world
        self.node = node
        self.engine = node.engine
        self.at = 0
        self.arrives_ms = 0
        self.whole = False

    def begin(self, after: int) -> None:
        log = self.log
        if not log.up or self.node.position in self.world.apart:
            return
        self.at = max(after, log.first - 1)
        self.whole = True
        self.tell(Opened(log.identity, log.first, log.last, self.world.payload_bytes, True))
        self.go_on()

    @property
    def log(self) -> Log:
        return self.world.shown.get(self.node.position, self.world.log)

    def go_on(self) -> None:
        log = self.log
        while self.whole and log.up and self.at < log.last and self.node.position not in self.world.apart:
            self.at += 1
            if self.at in log.holes or self.at < log.first:
                continue
            self.tell(log.entry(self.at))
            draw = self.world.random.random
            if self.world.links.duplication and draw() < self.world.links.duplication:
                again = max(log.first, self.at - int(draw() * 6))
                if again not in log.holes:
                    self.tell(log.entry(again))
            if self.world.breaks and draw() < self.world.breaks:
                self.whole = False

    def stand(self) -> None:
        log = self.log
        if self.whole and log.up and self.node.position not in self.world.apart:
            self.tell(Opened(log.identity, log.first, log.last, self.world.payload_bytes, False))

    def tell(self, message: Entry | Opened) -> None:
        least_ms, most_ms = self.world.links.delay_ms
        delay_ms = least_ms + int(self.world.random.random() * (most_ms - least_ms + 1))
        self.arrives_ms = max(self.arrives_ms, self.world.now_ms + delay_ms)
        self.world.later(self.arrives_ms - self.world.now_ms, self.node, partial(self.arrive, encode(message)))

    def arrive(self, raw: bytes) -> None:
        """Of the reading under way, for the engine that has asked for it."""
        node = self.node
        if self.world.readers.get(node.position) is self and node.takes_part and node.engine is self.engine:
            node.step(Received(node.now(), LOG, raw))


class Follower(Node):
    """A node of such a world: what is delivered is executed in its turn, as the driver does, for much comes at once."""

    world: FollowingWorld
    _ordered: deque[Batch]
    _is_executing = False

    def start(self) -> None:
        self._ordered = deque()
        super().start()

    def perform(self, ready: Ready) -> None:
        self._ordered += ready.deliver
        super().perform(msgspec.structs.replace(ready, deliver=()))
        if self._is_executing:
            return
        self._is_executing = True
        try:
            while self._ordered and self.up:
                batch = self._ordered.popleft()
                if batch.epoch == self.membership.epoch and batch.height > len(self.chain):
                    self.execute(batch)
        finally:
            self._is_executing = False


class FollowingWorld(World):
    """Validators that order by a log. `apart` are those who do not reach it, `shown` those who see another one."""

    def __init__(self, seed: int, members: int, payload_bytes: int = PAYLOAD_BYTES) -> None:
        super().__init__(seed, members, Timing())
        self.nodes = [Follower(self, position) for position in range(members)]
        self.payload_bytes = payload_bytes
        self.log = Log(self)
        self.shown: dict[int, Log] = {}
        self.readers: dict[int, Reader] = {}
        self.apart: set[int] = set()
        self.breaks = 0.0
        self.stood: dict[int, int] = {}

    def start(self) -> None:
        super().start()
        self.at(self.now_ms + STANDING_MS, self.stand)

    def stand(self) -> None:
        """Now and then each reader hears how far the log is; whoever stands still fetches what others have."""
        for reader in self.readers.values():
            reader.stand()
        self.at(self.now_ms + STANDING_MS, self.stand)
        ahead = max(len(node.chain) for node in self.nodes)
        for node in self.nodes:
            if node.up and node.position in self.halts:
                continue
            if node.up and ahead > len(node.chain) == self.stood.get(node.position):
                node.ask_for(ahead)
            self.stood[node.position] = len(node.chain)

    def expects(self, position: int) -> Node:
        self.changes_sets = True
        while len(self.nodes) <= position:
            self.nodes.append(Follower(self, len(self.nodes)))
        return self.nodes[position]

    def make_engine(self, node: Node) -> Engine:
        membership = node.membership
        return Jetstream(
            chain_id=CHAIN,
            epoch=membership.epoch,
            members=len(membership.keys),
            position=membership.places[node.position],
            sign=partial(sign_as, node.position),
            verify=membership.verify,
            base_height=Height(node.base.height),
            bound_ms=BOUND_MS,
        )

    def send(self, sender: Node, membership: Membership, places: tuple[int, ...], message: bytes) -> None:
        """All that is said goes to the log."""
        assert places == (LOG,), "members do not speak to each other about order"
        said = [message]
        for lie in sender.lies:
            said = [told for truth in said for told in lie(truth, LOG)]
        for told in said:
            for delay_ms in self.deliveries(sender):
                self.at(self.now_ms + delay_ms, partial(self.reach, sender, sender.generation, told))

    def deliveries(self, sender: Node) -> tuple[int, ...]:
        return () if sender.position in self.apart else self.links.deliveries(sender.position, LOG)

    def reach(self, sender: Node, generation: int, message: bytes) -> None:
        match decode(message):
            case Publish(id=named, payload=payload):
                self.shown.get(sender.position, self.log).publish(named, payload)
            case Read(after=after) if sender.up and sender.generation == generation and sender.takes_part:
                self.readers[sender.position] = reader = Reader(self, sender)
                reader.begin(after)
            case _:
                pass

    def check_block(self, node: Node, block: Block) -> None:
        """Besides: the height of a block is its message's sequence, and no epoch outlives its end."""
        super().check_block(node, block)
        assert node.coming is None or block.header.height <= node.coming.last_height, "beyond the end of its epoch"
        assert block.header.height <= self.shown.get(node.position, self.log).last, "ordered by the log"
