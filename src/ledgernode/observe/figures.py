"""Figures as Prometheus reads them: described once, counted cheaply, put together when somebody asks.

    HEIGHT = Figure("ledgernode_block_height", Kind.GAUGE, "Height of the newest durable block.", ("ledger",))
    sheet = Sheet((HEIGHT,))
    sheet.put(HEIGHT, 7, "energy")
    text = sheet.text()

A part of a process keeps plain numbers, `Tally` and `Codes`; nothing of a metrics library runs on its ways. A name ends
with its unit, a counter's with `_total`; the help says what the figure means. docs/metrics.md is printed from these.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Final

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from ledgernode.observe.listener import Answer

UNITS: Final = ("seconds", "bytes")
SHORT_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds for what one process does by itself."""
LONG_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Bounds for what several do together."""
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_CODES_KEPT: Final = 200
_OTHER: Final = "OTHER"


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Figure(msgspec.Struct, frozen=True):
    """What a figure is called and what it means."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """As the name says it; empty for what is counted in pieces."""
        return next((unit for unit in UNITS if f"{self.name}_".find(f"_{unit}_") >= 0), "")


def gauge(name: str, help: str, *labels: str) -> Figure:
    return Figure(name, Kind.GAUGE, help, labels)


def counter(name: str, help: str, *labels: str) -> Figure:
    assert name.endswith("_total"), f"{name} is counted, so its name ends so"
    return Figure(name, Kind.COUNTER, help, labels)


def histogram(name: str, help: str, *labels: str) -> Figure:
    return Figure(name, Kind.HISTOGRAM, help, labels)


class Tally:
    """How many values fell below each bound, and their sum. One `add` costs a third of a microsecond."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        assert list(bounds) == sorted(set(bounds)), "bounds rise"
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        self._counts[bisect_left(self._bounds, value)] += times
        self.sum += value * times

    @property
    def count(self) -> int:
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus has them: up to each bound, so many in all."""
        bounds = (*(f"{bound:g}" for bound in self._bounds), "+Inf")
        return list(zip(bounds, map(float, accumulate(self._counts)), strict=True))


class Codes(Counter[str]):
    """Counts by stable code. Codes beyond a bound are counted together: some come from contracts."""

    def note(self, code: str, times: int = 1) -> None:
        self[code if code in self or len(self) < _CODES_KEPT else _OTHER] += times

    def note_all(self, codes: Iterable[str]) -> None:
        for code, times in Counter(codes).items():
            self.note(code, times)


class Sheet(Collector):
    """The figures of one moment."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._families = {figure.name: _family(figure) for figure in figures}

    def put(self, figure: Figure, value: float, *labels: str) -> None:
        """A gauge or a counter."""
        family = self._families[figure.name]
        assert not isinstance(family, HistogramMetricFamily), f"{figure.name} is a histogram"
        family.add_metric(list(labels), float(value))

    def tally(self, figure: Figure, tally: Tally, *labels: str) -> None:
        family = self._families[figure.name]
        assert isinstance(family, HistogramMetricFamily), f"{figure.name} is no histogram"
        family.add_metric(list(labels), tally.buckets(), tally.sum)

    def codes(self, figure: Figure, codes: Counter[str], *labels: str) -> None:
        """One for each code, which is the last label."""
        for code, times in list(codes.items()):
            self.put(figure, times, *labels, code)

    def collect(self) -> Iterator[Metric]:
        """Those that have values, and the process' own (`process_…`)."""
        for family in self._families.values():
            if family.samples:
                yield family
        yield from _PROCESS.collect()

    def text(self) -> bytes:
        return generate_latest(self)

    def answer(self) -> Answer:
        return Answer(200, self.text(), _TEXT)


_PROCESS: Final = ProcessCollector(registry=None)


def _family(figure: Figure) -> GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily:
    match figure.kind:
        case Kind.GAUGE:
            return GaugeMetricFamily(figure.name, figure.help, labels=figure.labels)
        case Kind.COUNTER:
            return CounterMetricFamily(figure.name, figure.help, labels=figure.labels)
        case Kind.HISTOGRAM:
            return HistogramMetricFamily(figure.name, figure.help, labels=figure.labels)
