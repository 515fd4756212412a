"""Thefts and faults, put into measured houses from a seed; and how well suspicions find them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from devices.history.reading import read_houses
from gateway.insight.anomalies import BYPASS, KINDS, NIGHT, PHASE, SPIKE, STUCK, Flagged, Meter
from gateway.insight.forecast import Days, as_days

MEASURED = Path(__file__).parents[2] / "data" / "citylearn2022"
FIRST_DAY, LAST_DAY = 90, 340
LASTS = {STUCK: (2, 6), BYPASS: (12, 40), NIGHT: (6, 20), SPIKE: (1, 1), PHASE: (4, 15)}
LATE_DAYS = 3
"""A suspicion this long after an episode still counts as one about it."""


class Episode(NamedTuple):
    house: int
    kind: str
    from_day: int
    until_day: int


def measured() -> list[Days]:
    """Load of the ten houses by day, Wh."""
    return [as_days(house.load_mwh / 1e3, 24, 23) for house in read_houses([MEASURED])]


def injected(loads: Sequence[Days], seed: int) -> tuple[list[Meter], list[Episode]]:
    """Three-phase meters of these houses, most of which have one episode, each kind twice in a row of ten houses."""
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS for _ in range(2)]
    chance.shuffle(kinds)
    meters, episodes = [], []
    for house, load in enumerate(loads):
        kind = kinds[house % len(kinds)]
        shares = np.array([chance.uniform(0.2, 1.0) for _ in range(3)])
        wobble = np.random.default_rng(seed * 100 + house).uniform(0.6, 1.4, (3, *load.shape))
        parts = shares[:, None, None] * wobble
        phases = load * parts / parts.sum(axis=0)
        if house % 5 != 4:  # some houses are left as they are
            begin = chance.randint(FIRST_DAY, LAST_DAY - 45)
            episode = Episode(house, kind, begin, begin + chance.randint(*LASTS[kind]))
            phases = spoiled(phases, episode, chance)
            episodes.append(episode)
        meters.append(Meter(f"house-{house + 1}", phases.sum(axis=0), tuple(phases)))
    return meters, episodes


def spoiled(phases: Days, episode: Episode, chance: random.Random) -> Days:
    """What the meter shows while this goes on."""
    days = slice(episode.from_day, episode.until_day)
    shown = phases.copy()
    per_day = shown.shape[2]
    if episode.kind == BYPASS:
        hidden = chance.uniform(0.5, 0.9)
        first = chance.choice([0, per_day // 2])  # always, or from noon on
        shown[:, days, first:] *= 1 - hidden
    elif episode.kind == STUCK:
        shown[:, days] = shown[:, episode.from_day - 1, -1:][:, None] if chance.random() < 0.5 else 0.0
    elif episode.kind == NIGHT:
        shown[:, days, 0:6] += chance.uniform(1_200, 2_500) / 3
    elif episode.kind == SPIKE:
        shown[:, episode.from_day, chance.randrange(per_day)] += chance.uniform(15_000, 40_000) / 3
    else:
        shown[chance.randrange(3), days] = 0.0
    return shown


class Quality(NamedTuple):
    """Episodes that were found, and suspicious days that were days of an episode (or just after one)."""

    found: int
    episodes: int
    right_days: int
    days: int

    @property
    def recall(self) -> float:
        return self.found / self.episodes

    @property
    def precision(self) -> float:
        return self.right_days / self.days if self.days else 0.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def quality(days: Sequence[Flagged], episodes: Sequence[Episode], kinds: Sequence[str] = KINDS) -> Quality:
    """Of suspicious days by house, against all episodes; episodes of these kinds are to be found."""
    wanted = [episode for episode in episodes if episode.kind in kinds]
    odd = [np.zeros(len(marked), dtype=np.bool_) for marked in days]
    for episode in episodes:
        odd[episode.house][episode.from_day : episode.until_day + LATE_DAYS] = True
    found = sum(days[episode.house][episode.from_day : episode.until_day + LATE_DAYS].any() for episode in wanted)
    right = sum(int((marked & truly).sum()) for marked, truly in zip(days, odd, strict=True))
    return Quality(int(found), len(wanted), right, sum(int(marked.sum()) for marked in days))


def together(found: Sequence[Quality]) -> Quality:
    return Quality(*(sum(column) for column in zip(*found, strict=True)))


def any_kind(found: Sequence[Mapping[str, Flagged]]) -> list[Flagged]:
    return [np.logical_or.reduce(list(kinds.values())) for kinds in found]
