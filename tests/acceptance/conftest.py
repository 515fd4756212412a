"""One community for each engine, for all acceptance tests of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.at_feeder import Feeder
from tests.acceptance.community import Community, CommunityNetwork
from tests.acceptance.whole_town import WholeTown

ENGINES = ("pbft", "pow")
OPTIONS = {"pbft": None, "pow": {"first_target_bits": 15, "interval_ms": 100, "depth_blocks": 4}}


@pytest.fixture(scope="session", params=ENGINES)
def community(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Community]:
    """Four running validators, with every contract and street."""
    directory = tmp_path_factory.mktemp(request.param) / "network"
    with CommunityNetwork(directory, request.param, options=OPTIONS[request.param]) as network:
        found = Community(network)
        yield found
        found.close()


@pytest.fixture(scope="session")
def town(community: Community) -> WholeTown:
    """The whole way of a kWh, played once."""
    return WholeTown(community)


@pytest.fixture
def feeder(community: Community, tmp_path: Path) -> Iterator[Feeder]:
    """A broker and a gateway of one test, before the community's ledger."""
    with Feeder(community, tmp_path) as found:
        yield found
