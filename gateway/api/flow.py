"""Where a feeder's energy came from and went in an interval, as links between nodes. Pure.

    generation ─▶ own_use ─▶ consumption        what houses made and used themselves
    storage ────▶ pool, loss, upstream          what batteries gave beyond what their houses used
               ─▶ pool ────▶ consumption        what they made and others on the feeder used
               ─▶ upstream                      what left the feeder by its transformer
    supply ─────▶ consumption                   what came by the transformer
    either ─────▶ loss ─▶ technical, other

What a report calls the pool is all that houses did not use themselves; its surplus nobody on the feeder used.

A house whose battery gives more than it uses takes part in the pool with more than it makes: what the pool and own use
hold beyond the generation has come out of storage.

What enters a node leaves it. Where there is a surplus, a loss is borne by generation as far as that goes; else it came
by the transformer. Below zero a loss is the meters' error and no flow, and what a report does not know is not drawn.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.readmodel.queries.feeders import IntervalRow


class Link(msgspec.Struct, frozen=True):
    source: str
    target: str
    energy_mwh: int


_SOURCES: Final = ("generation", "storage", "own_use", "pool", "supply", "loss")


def links_of(row: IntervalRow) -> tuple[Link, ...]:
    """Those that carry anything, sources first."""
    own, pool, surplus, deficit = row.self_mwh, row.pool_mwh, row.surplus_mwh, row.deficit_mwh
    if own is None or pool is None or surplus is None or deficit is None:
        return ()
    lost = max(row.loss_mwh or 0, 0)
    by_generation = min(lost, surplus)
    made = {"own_use": own, "pool": pool - surplus, "loss": by_generation, "upstream": surplus - by_generation}
    stored = max(own + pool - row.generation_mwh, 0) if row.generation_mwh is not None else 0
    found = [
        Link("own_use", "consumption", own),
        Link("pool", "consumption", pool - surplus),
        Link("supply", "consumption", deficit),
        Link("supply", "loss", lost - by_generation),
    ]
    for target, energy_mwh in made.items():
        given = min(stored, energy_mwh) if target != "own_use" else 0
        stored -= given
        found += [Link("generation", target, energy_mwh - given), Link("storage", target, given)]
    if row.technical_mwh is not None:
        technical = min(row.technical_mwh, lost)
        found += [Link("loss", "technical", technical), Link("loss", "other", lost - technical)]
    return tuple(sorted((link for link in found if link.energy_mwh > 0), key=_place))


def _place(link: Link) -> int:
    return _SOURCES.index(link.source)
