"""More validators lost at once than may be, and nothing acknowledged is: a slice of `tests.suites.disaster`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.networks import RunningNetwork
from tests.suites.disaster import lose_two, verified

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_two_of_four_are_lost_and_all_go_on_from_the_furthest_copy(tmp_path: Path) -> None:
    """The survivors' furthest copy, restored everywhere, has all that anyone was told; all of them vote again."""
    with RunningNetwork(tmp_path / "network", "pbft", 4, config={"sync_behind_blocks": 0}) as network:
        network.deploy()
        figures = lose_two(network, tmp_path / "backup", rate=100, seconds=1.0)
        assert figures.counts["acknowledged"] > 0
        network.nodes[0].kill()  # a survivor: the rebuilt ones' votes count
        network.require_progress()
        network.nodes[0].start()
        network.wait_for_equal_heads()
        for node in network.nodes:
            assert node.terminate() == 0
        assert verified(network) > figures.counts["blocks"]
