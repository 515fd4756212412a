"""A fleet's figures: what its processes have counted, as Prometheus reads it, from a listener while it runs."""

from __future__ import annotations

import asyncio
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from devices.fleet.counts import Counts
from devices.fleet.crew import Now
from devices.fleet.observed import FIGURES, ObservedFleet
from ledgernode.observe.listener import Listener


def counted() -> Now:
    counts = Counts(due=10, sent=9, again=1, safe=8, committed=7, repeated=1, cpu_us=2_500_000)
    counts.refuse("RATE_LIMITED")
    counts.fail("metering.IN_FUTURE")
    counts.lost_connection("NODE_UNREACHABLE")
    for delay_ms in (8, 40, 700):
        counts.until_safe.add(delay_ms)
    counts.until_committed.add(2_000)
    return Now(counts, waiting=2, unheard=1, to_come=90, seconds=5.0)


async def test_what_a_fleet_does_is_shown_while_it_runs() -> None:
    """By name; delays fall into the same bounds as those of nodes. Before its processes have spoken it is not ready."""
    now: list[Now] = []
    observed = ObservedFleet(100, lambda: now[-1] if now else None)
    assert not observed.ready().holds
    listener = Listener("127.0.0.1:0", observed.addresses())
    await listener.start()
    try:
        now.append(counted())
        address = f"http://127.0.0.1:{listener.port}/metrics"
        shown = await asyncio.to_thread(lambda: urllib.request.urlopen(address, timeout=10).read().decode())
    finally:
        await listener.stop()
    assert observed.ready().holds
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
    }
    names = {name for name, *_ in samples}
    assert {figure.name for figure in FIGURES if figure.kind != "histogram"} <= names
    assert samples["ledgernode_fleet_meters",] == 100
    assert samples["ledgernode_fleet_readings_safe_total",] == 8
    assert samples["ledgernode_fleet_readings_to_come",] == 90
    assert samples["ledgernode_fleet_refused_total", "RATE_LIMITED"] == 1
    assert samples["ledgernode_fleet_cpu_seconds_total",] == 2.5
    assert samples["ledgernode_fleet_safe_seconds_bucket", "0.01"] == 1
    assert samples["ledgernode_fleet_safe_seconds_bucket", "0.05"] == 2
    assert samples["ledgernode_fleet_safe_seconds_count",] == 3
    assert samples["ledgernode_fleet_committed_seconds_bucket", "1"] == 0
    assert samples["ledgernode_fleet_committed_seconds_bucket", "2.5"] == 1
