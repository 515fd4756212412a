"""Every node of a one-machine network as processes of their own, started and stopped together."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from ledgernode.identity.founding import Network, read_network
from ledgernode.local.node import LocalNode
from ledgernode.local.simulated import CLOCK, is_simulated


class LocalNetwork:
    """Starts all nodes of the network in `directory`. In a `with` none of them outlives it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.network: Network = read_network(directory)
        self.nodes: dict[str, LocalNode] = {}
        try:
            clock = directory / CLOCK if is_simulated(self.network.ledger) else None
            for node in self.network.nodes:
                self.nodes[node.name] = LocalNode(directory / node.home, clock)
        except BaseException:
            self.stop()
            raise

    def wait_until_serving(self) -> None:
        """Return when every node serves; raises NodeUnreachable, and stops all, when one does not come up."""
        try:
            for node in self.nodes.values():
                node.wait_until_serving()
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raises NodeUnreachable when a node has ended by itself."""
        for node in self.nodes.values():
            node.check()

    def stop(self) -> None:
        """Tell all to stop, then wait for each: together, so that none waits for a peer that has gone."""
        for node in self.nodes.values():
            node.send(signal.SIGTERM)
        with ExitStack() as ending:  # whoever is interrupted in one wait still ends the others
            for node in self.nodes.values():
                ending.callback(node.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
