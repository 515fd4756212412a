"""Runaway contracts: each is one failed call, quick, small and the same every time."""

from __future__ import annotations

import gc
import time
import tracemalloc

import pytest

from ledgernode.errors import ChaincodeRefused, LedgerError
from ledgernode.execution.sandbox.loader import LoadedContract
from ledgernode.execution.sandbox.meter import Meter
from tests.execution.sandbox.workbench import BUDGET, load, samples

SLOWEST_S = 0.1
TRIES = 5
LARGEST_BYTES = 50 * 1024 * 1024

FUNCTIONS = """
class Stopped(Refusal):
    code = "STOPPED"

class Pair(Record):
    left: list[int] = []
    right: list[int] = []

def again(n):
    return again(n + 1)

def ping(n):
    return pong(n)

def pong(n):
    return ping(n)

def endless():
    n = 0
    while True:
        yield n
        n += 1

def nested(n):
    yield n
    yield from nested(n + 1)

def through_sort(n):
    return sorted([1, 2], key=lambda x: through_sort(x))
"""

HOSTILE = {**samples("hostile.txt"), "long body": ("while True:\n" + "    x = 1\n" * 2000, "BUDGET_EXCEEDED")}

REFUSED_AT_INSTALL = samples("refused_at_install.txt")


def outcome(contract: LoadedContract) -> tuple[str, str, int]:
    meter = Meter(BUDGET)
    with pytest.raises(LedgerError) as caught:
        contract.call("run", None, b"{}", meter)
    return caught.value.code, str(caught.value), meter.used


def seconds(contract: LoadedContract) -> float:
    start = time.perf_counter()
    outcome(contract)
    return time.perf_counter() - start


@pytest.mark.parametrize("name", HOSTILE)
def test_runaway_code_is_one_failed_call(name: str) -> None:
    """Within 100 ms (the best of several, so that a busy machine does not decide), with one code and one use."""
    body, code = HOSTILE[name]
    contract = load(body, top=FUNCTIONS)
    first = outcome(contract)
    assert first[0] == code
    assert outcome(contract) == first
    assert any(seconds(contract) < SLOWEST_S for _ in range(TRIES))


@pytest.mark.parametrize("name", HOSTILE)
def test_runaway_code_stays_small(name: str) -> None:
    """Within 50 MB at its peak; what it made is given back when it has failed."""
    contract = load(HOSTILE[name][0], top=FUNCTIONS)
    gc.collect()
    tracemalloc.start()
    try:
        outcome(contract)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LARGEST_BYTES


@pytest.mark.parametrize("name", REFUSED_AT_INSTALL)
def test_code_that_could_only_run_away_is_refused_at_install(name: str) -> None:
    """Where the text alone shows it, the package is refused with the line."""
    with pytest.raises(ChaincodeRefused, match=r"main\.py:\d+: \["):
        load(REFUSED_AT_INSTALL[name][0])
