"""A distribution transformer: what it loses, how warm it gets, how fast it ages.

By the loading guide, IEC 60076-7, for small transformers cooled by oil and air (ONAN): the oil follows the losses
within hours, the winding's hottest spot lies above the oil and follows the current within minutes. Paper at 98 degrees
ages a day in a day, 6 K more double that. Each temperature moves exponentially to where it would settle, so that it is
right for steps of any length under one load; ageing is that of the mean of a step, and wants steps of minutes.
"""

from __future__ import annotations

import math
from typing import Final, Self

import msgspec

OIL_EXPONENT: Final = 0.8
WINDING_EXPONENT: Final = 1.6
OIL_MINUTES: Final = 180.0
WINDING_MINUTES: Final = 8.0
"""4 minutes, twice (the guide's k22): the oil in the winding is slow to follow."""
REFERENCE_C: Final = 98.0
DOUBLING_K: Final = 6.0
_MS_PER_MINUTE: Final = 60_000


class Transformer(msgspec.Struct, frozen=True):
    """What stands on its plate."""

    rated_va: float
    no_load_w: float
    load_w: float
    """At the rated current."""
    oil_rise_k: float = 55.0
    hot_spot_rise_k: float = 23.0

    def __post_init__(self) -> None:
        assert min(self.rated_va, self.no_load_w, self.load_w) > 0

    def loss_w(self, apparent_va: float) -> float:
        """Iron always, copper with the square of the load."""
        return self.no_load_w + self.load_w * (apparent_va / self.rated_va) ** 2

    def oil_settled_k(self, loading: float) -> float:
        """Where the top oil's rise settles."""
        ratio = self.load_w / self.no_load_w
        settled: float = self.oil_rise_k * ((1 + ratio * loading**2) / (1 + ratio)) ** OIL_EXPONENT
        return settled

    def winding_settled_k(self, loading: float) -> float:
        """Where the hot spot settles above the oil."""
        settled: float = self.hot_spot_rise_k * loading**WINDING_EXPONENT
        return settled


class Warmth(msgspec.Struct, frozen=True):
    """How it stands: rises above the ambient and above the oil, and minutes of life used."""

    ambient_c: float
    oil_k: float
    winding_k: float
    aged_minutes: float = 0.0

    @classmethod
    def settled(cls, transformer: Transformer, loading: float, ambient_c: float) -> Self:
        """After a long time at one load."""
        return cls(ambient_c, transformer.oil_settled_k(loading), transformer.winding_settled_k(loading))

    @property
    def top_oil_c(self) -> float:
        return self.ambient_c + self.oil_k

    @property
    def hot_spot_c(self) -> float:
        return self.top_oil_c + self.winding_k


def step(transformer: Transformer, warmth: Warmth, apparent_va: float, ambient_c: float, duration_ms: int) -> Warmth:
    """The warmth after a time at this load and ambient."""
    loading = apparent_va / transformer.rated_va
    minutes = duration_ms / _MS_PER_MINUTE
    # the oil's temperature follows, not its rise: a cold evening does not cool it at once
    oil_c = _followed(warmth.top_oil_c, ambient_c + transformer.oil_settled_k(loading), minutes, OIL_MINUTES)
    winding_k = _followed(warmth.winding_k, transformer.winding_settled_k(loading), minutes, WINDING_MINUTES)
    mean_c = (warmth.hot_spot_c + oil_c + winding_k) / 2
    return Warmth(ambient_c, oil_c - ambient_c, winding_k, warmth.aged_minutes + ageing_rate(mean_c) * minutes)


def ageing_rate(hot_spot_c: float) -> float:
    """Life used in a time, by that time."""
    return math.exp2((hot_spot_c - REFERENCE_C) / DOUBLING_K)


def _followed(value: float, settled: float, minutes: float, time_constant: float) -> float:
    return settled + (value - settled) * math.exp(-minutes / time_constant)
