"""A slice of fuzzing in seconds: what is kept, mutants of the seeds, and Hypothesis' own.

`make fuzz` goes on for as long as one likes, with the same table.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import mutant, swollen
from tests.fuzz.target import Target, judge, kept, weigh
from tests.fuzz.targets import TABLE

_MUTANTS = 60
_DRAWN = 8
_SWOLLEN_BYTES = 8 * 1024
_WEIGHED_BYTES = 512
"""Weighing is slow: each allocation of the decoder's is looked at."""
every_target = pytest.mark.parametrize("target", TABLE, ids=[target.name for target in TABLE])


@every_target
def test_seeds_are_accepted(target: Target) -> None:
    """A decoder that refused everything would pass all the rest."""
    seeds = target.seeds()
    assert seeds
    assert any(judge(target, seed) for seed in seeds) or target.silent, "none of its seeds is accepted"


@every_target
def test_what_once_broke_it_is_refused_or_taken(target: Target) -> None:
    """Seeds that were kept: each is a fault that was mended."""
    for raw in kept(target.name):
        judge(target, raw)


@every_target
def test_mutants_of_its_seeds_are_refused_or_taken(target: Target) -> None:
    random, seeds = Random(target.name), target.examples()  # to be the same in every run
    for _ in range(_MUTANTS):
        judge(target, mutant(target, seeds, random))


@every_target
def test_any_bytes_are_refused_or_taken(target: Target) -> None:
    """Hypothesis chooses: bytes of its own, or how a seed is bent."""
    seeds = target.examples()

    @settings(max_examples=_DRAWN, derandomize=True, database=None)
    @given(st.binary(max_size=200) | st.text(max_size=60).map(str.encode), st.randoms(use_true_random=False))
    def tried(raw: bytes, random: Random) -> None:
        judge(target, raw)
        judge(target, mutant(target, seeds, random))

    tried()


@every_target
def test_large_inputs_take_time_and_memory_within_bounds(target: Target) -> None:
    for raw in swollen(target, target.seeds(), _SWOLLEN_BYTES):
        judge(target, raw)
    for raw in swollen(target, target.seeds(), _WEIGHED_BYTES)[:2]:
        weigh(target, raw)
