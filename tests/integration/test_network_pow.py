"""Four miners as processes, disturbed under load: as with PBFT, every disturbance ends with equal chains."""

from __future__ import annotations

import shutil
import time

import pytest

from ledgernode.identity.home import data_directory
from tests.networks import Load, RunningNetwork
from tests.running import LEDGER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

UNDER_LOAD_SECONDS = 1.5


def test_a_killed_miner_is_missed_by_nobody_and_catches_up(pow_network: RunningNetwork) -> None:
    """SIGKILL under load: the others go on; started again it has what it missed."""
    killed, *others = pow_network.nodes
    with Load(pow_network, nodes=others) as load:
        time.sleep(UNDER_LOAD_SECONDS)
        killed.kill()
        pow_network.require_progress(others)
        killed.start()
        time.sleep(UNDER_LOAD_SECONDS)
        committed = load.end()
    pow_network.settle(committed)


def test_a_frozen_miner_takes_the_chain_of_the_others(pow_network: RunningNetwork) -> None:
    """SIGSTOP for ten seconds, longer than a branch is deep: it has mined nothing, so it parts from nobody."""
    frozen, *others = pow_network.nodes
    with Load(pow_network, nodes=others) as load:
        frozen.freeze()
        try:
            time.sleep(10)
        finally:
            frozen.thaw()
        time.sleep(UNDER_LOAD_SECONDS)
        committed = load.end()
    pow_network.settle(committed)


def test_a_miner_whose_disk_is_lost_comes_back(pow_network: RunningNetwork) -> None:
    """It fetches the chain under load, learns from the others what work stands behind it, and orders again."""
    wiped, *others = pow_network.nodes
    with Load(pow_network, nodes=others) as load:
        time.sleep(UNDER_LOAD_SECONDS)
        wiped.kill()
        shutil.rmtree(data_directory(wiped.home, LEDGER))
        wiped.start()
        time.sleep(UNDER_LOAD_SECONDS)
        committed = load.end()
    pow_network.settle(committed)
    pow_network.require_progress([wiped])


def test_all_miners_killed_at_once_go_on_from_where_they_were(pow_network: RunningNetwork) -> None:
    """What was acknowledged is deep enough to stay, whatever each of them had of the blocks above it."""
    with Load(pow_network) as load:
        time.sleep(UNDER_LOAD_SECONDS)
        pow_network.kill_all()
        committed = load.abandon()
    pow_network.restart(pow_network.nodes)
    pow_network.require_progress()
    pow_network.settle(committed)
