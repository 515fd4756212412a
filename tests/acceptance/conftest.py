"""One community for each engine, for all acceptance tests of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
