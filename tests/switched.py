"""Networks whose nodes stand apart: each process in a network namespace of its own, and a switch of ours between them.

A node's only interface is a tap, whose frames this process carries to the others: late, not at all, or only within
groups. So loss, delay and partition befall real TCP connections packet by packet, with the kernel's own
retransmission, and need neither a kernel module nor a tool: a namespace and a tap are all, and both end with their
process. Clients have a port of the switch too, and nothing ever befalls that.

It needs root and /dev/net/tun; `namespaces.missing` says where it cannot be.
"""

from __future__ import annotations

import array
import heapq
import os
import random
import select
import socket
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

from ledgernode.identity import founding
from tests import namespaces
from tests.namespaces import PRIVATE, open_tap
from tests.networks import RunningNetwork
from tests.running import FoundedNetwork, NodeProcess

PORT = 7_051
CLIENTS = 254
"""The number of the port where this process itself is."""

_FRAME_BYTES = 2_048
_BROADCAST = b"\xff" * 6


class Switch:
    """Carries frames between its ports, in a thread, until it is closed."""

    def __init__(self) -> None:
        self.loss = 0.0
        """What part of the frames between nodes is lost."""
        self.delay_ms = (0.0, 0.0)
        """How long they take, at least and at most."""
        self.carried = self.lost = 0
        self._cut: set[tuple[int, int]] = set()
        self._taps: dict[int, int] = {CLIENTS: self._first_tap()}
        self._poll = select.epoll()
        self._poll.register(self._taps[CLIENTS], select.EPOLLIN)
        self._late: list[tuple[float, int, int, bytes]] = []
        self._numbers = count()
        self._chance = random.Random(1)
        self._lock = threading.Lock()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="switch", daemon=True)
        self._thread.start()

    def _first_tap(self) -> int:
        """Our own, in a network that no other switch of this machine has."""
        while True:
            self._network = random.randrange(256)
            with suppress(OSError):
                return open_tap(f"ledger{self._network}", self.address(CLIENTS))

    def address(self, number: int) -> str:
        """Of a port: from the range that is set apart for testing networks, which nobody has at home."""
        return f"198.18.{self._network}.{number}"

    def plug(self, number: int, tap: int) -> None:
        """A node's tap, in place of the one that it had before."""
        with self._lock:
            self._unplug(number)
            self._taps[number] = tap
            self._poll.register(tap, select.EPOLLIN)

    def close(self) -> None:
        self._ending = True
        self._thread.join()
        with self._lock:
            for number in list(self._taps):
                self._unplug(number)
        self._poll.close()

    # ------------------------------------------------------------ what befalls the nodes

    def part(self, *groups: Iterable[int]) -> None:
        """Nodes hear those of their own group only."""
        parted = [frozenset(group) for group in groups]
        nodes = frozenset().union(*parted)
        self._cut = {(a, b) for a in nodes for b in nodes if not any({a, b} <= group for group in parted)}

    def silence(self, number: int) -> None:
        """What this node says reaches no other one; it hears all of them."""
        self._cut = {(number, other) for other in range(CLIENTS) if other != number}

    def heal(self) -> None:
        """All links are whole again."""
        self._cut, self.loss, self.delay_ms = set(), 0.0, (0.0, 0.0)

    # ------------------------------------------------------------ carrying

    def _run(self) -> None:
        while not self._ending:
            wait_s = min(0.1, max(0.0, self._late[0][0] - time.monotonic())) if self._late else 0.1
            ready = {file for file, _ in self._poll.poll(wait_s)}
            with self._lock:
                for number, tap in list(self._taps.items()):
                    if tap in ready:
                        self._read(number, tap)
                while self._late and self._late[0][0] <= time.monotonic():
                    self._write(*heapq.heappop(self._late)[2:])

    def _read(self, number: int, tap: int) -> None:
        for _ in range(64):
            try:
                frame = os.read(tap, _FRAME_BYTES)
            except BlockingIOError:
                return
            except OSError:  # its node has ended, and with it the namespace
                self._unplug(number)
                return
            for receiver in self._receivers(number, frame[:6]):
                self._carry(number, receiver, frame)

    def _receivers(self, sender: int, hardware: bytes) -> list[int]:
        if hardware == _BROADCAST:
            return [number for number in self._taps if number != sender]
        return [hardware[5]] if hardware[:5] == PRIVATE and hardware[5] in self._taps else []

    def _carry(self, sender: int, receiver: int, frame: bytes) -> None:
        self.carried += 1
        if CLIENTS in (sender, receiver):
            self._write(receiver, frame)
        elif (sender, receiver) in self._cut or self._chance.random() < self.loss:
            self.lost += 1
        elif self.delay_ms[1]:
            due_s = time.monotonic() + self._chance.uniform(*self.delay_ms) / 1_000
            heapq.heappush(self._late, (due_s, next(self._numbers), receiver, frame))
        else:
            self._write(receiver, frame)

    def _write(self, receiver: int, frame: bytes) -> None:
        tap = self._taps.get(receiver)
        if tap is not None:
            try:
                os.write(tap, frame)
            except OSError:
                self.lost += 1

    def _unplug(self, number: int) -> None:
        tap = self._taps.pop(number, None)
        if tap is not None:
            self._poll.unregister(tap)
            os.close(tap)


class SwitchedNode(NodeProcess):
    """A node in a namespace of its own, at a port of the switch."""

    def __init__(self, network: FoundedNetwork, home: Path, listen: str, switch: Switch) -> None:
        self.number = int(listen.partition(":")[0].rpartition(".")[2])
        self._switch = switch
        super().__init__(network, home, listen, wait=False)

    def launch(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(30)
            before = [sys.executable, namespaces.__file__, str(theirs.fileno()), self._switch.address(self.number)]
            self._start([*before, *self._command()], pass_fds=(theirs.fileno(),))
            theirs.close()  # so that we hear when it ends without a word
            _, received, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
            assert received, "no tap: the namespace could not be made"
            self._switch.plug(self.number, array.array("i", received[0][2])[0])


class SwitchedNetwork(RunningNetwork):
    """A network behind a switch, founded with the addresses of its ports."""

    def __init__(self, directory: Path, engine: str, nodes: int, **more: Any) -> None:
        self.switch = Switch()
        addresses = [self.switch.address(number) for number in range(1, nodes + 1)]
        made, numbers = founding.NetworkNode, count(1)

        def switched(name: str, organisation: str, _: str, home: str) -> founding.NetworkNode:
            return made(name, organisation, f"{self.switch.address(next(numbers))}:{PORT}", home)

        with (
            mock.patch.object(founding, "NetworkNode", switched),
            mock.patch.object(founding, "LOCAL_NAMES", tuple(addresses)),
        ):
            super().__init__(directory, engine, nodes, **more)

    def _node(self, home: Path, endpoint: str) -> NodeProcess:
        return SwitchedNode(self.founded, home, endpoint, self.switch)

    def close(self) -> None:
        super().close()
        self.switch.close()

    def restore(self) -> None:
        self.switch.heal()
        super().restore()

    def number(self, node: NodeProcess) -> int:
        """Its port."""
        assert isinstance(node, SwitchedNode)
        return node.number
