"""One utility with every contract on one node, for all tests of vending; a shop of its own for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.community import ENERGY, Community, CommunityNetwork
from tests.acceptance.street import Plan
from tests.gateway.vending.shop import Shop

HOUSES = 14


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Community]:
    directory = tmp_path_factory.mktemp("vending") / "network"
    with CommunityNetwork(directory, "solo") as network:
        plan = Plan(HOUSES, prepaid=tuple(range(1, HOUSES + 1)))
        # modules share the ledger, and no house
        found = Community(network, {"shops": plan, "killed": plan}, ENERGY[: ENERGY.index("settlement") + 1])
        yield found
        found.close()


@pytest.fixture(scope="module")
def shop(town: Community, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(town, tmp_path_factory.mktemp("shop"))
    yield found
    found.close()
