"""A network on this machine with its node running, for all tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.command_line import RunningNetwork, done


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """One for all tests of the command line: they keep out of each other's way by names."""
    running = RunningNetwork(tmp_path_factory.mktemp("cli") / "network")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def notice_board(network: RunningNetwork, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A contract that is deployed: the template, as `chaincode new` writes it."""
    folder = tmp_path_factory.mktemp("contracts")
    done("chaincode", "new", "notice_board", "--into", folder)
    network.done("chaincode", "deploy", folder / "notice_board.py")
    return "notice_board"


@pytest.fixture(scope="session")
def customer(network: RunningNetwork) -> str:
    """ORG/NAME of a registered customer."""
    network.done("identity", "enroll", "customer-1", "--role", "customer", "--register")
    return "north/customer-1"
