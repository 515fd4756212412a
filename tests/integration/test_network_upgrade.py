"""Programs of two versions on one network, a short slice of `make upgrade-drill`: together, then past a height."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgernode import __version__
from ledgernode.wire import versions
from tests.conditions import until
from tests.networks import Load
from tests.suites.upgrade import FORMER_PROTOCOL, FORMER_VERSION, LIMIT_S, VersionedNetwork, VersionedNode

pytestmark = pytest.mark.slow


def test_a_former_program_goes_along_until_the_rules_move(tmp_path: Path) -> None:
    """Three are upgraded, one is not: it keeps up, says nothing, stops before the height, and goes on with this one.

    Under load all the while, of which nothing that was acknowledged is lost.
    """
    with VersionedNetwork(tmp_path, former=1) as network:
        network.deploy()
        *upgraded, last = network.nodes
        assert isinstance(last, VersionedNode)
        assert [network.version(node) for node in network.nodes] == [__version__] * 3 + [FORMER_VERSION]
        with Load(network, rate=60) as load, network.ledger() as ledger:
            until(lambda: network.ready(ledger) == 3, LIMIT_S)
            assert network.rules(ledger)["version"] == versions.EXECUTION_NEWEST - 1
            seen = {one.endpoint: one.ready for one in network.status(upgraded[0]).validators}
            assert seen.pop(last.endpoint) == versions.EXECUTION_NEWEST - 1
            assert set(seen.values()) == {versions.EXECUTION_NEWEST}
            height = network.move_on(ledger, ahead=24)
            network.pass_height(ledger, height)
            network.require_stopped(last, height)
            last.change_to(None)
            until(lambda: network.status(last).height > height, LIMIT_S)
            committed = load.end()
        assert network.settle(committed, LIMIT_S) > height
        assert network.version(last) == __version__
        assert FORMER_PROTOCOL < versions.PROTOCOL_NEWEST
