"""Where a feeder's energy came from and went in an interval, as links between nodes. Pure.

    generation ─▶ own_use ─▶ consumption        what houses made and used themselves
               ─▶ pool ────▶ consumption        what they made and others on the feeder used
               ─▶ upstream                      what left the feeder by its transformer
    supply ─────▶ consumption                   what came by the transformer
    either ─────▶ loss ─▶ technical, other

What a report calls the pool is all that houses did not use themselves; its surplus nobody on the feeder used.

What enters a node leaves it. Where there is a surplus, a loss is borne by generation as far as that goes; else it came
by the transformer. Below zero a loss is the meters' error and no flow, and what a report does not know is not drawn.
"""

from __future__ import annotations

import msgspec

from gateway.readmodel.queries.feeders import IntervalRow


class Link(msgspec.Struct, frozen=True):
    source: str
    target: str
    energy_mwh: int


def links_of(row: IntervalRow) -> tuple[Link, ...]:
    """Those that carry anything, sources first."""
    own, pool, surplus, deficit = row.self_mwh, row.pool_mwh, row.surplus_mwh, row.deficit_mwh
    if own is None or pool is None or surplus is None or deficit is None:
        return ()
    lost = max(row.loss_mwh or 0, 0)
    by_generation = min(lost, surplus)
    found = [
        Link("generation", "own_use", own),
        Link("own_use", "consumption", own),
        Link("generation", "pool", pool - surplus),
        Link("pool", "consumption", pool - surplus),
        Link("supply", "consumption", deficit),
        Link("supply", "loss", lost - by_generation),
        Link("generation", "loss", by_generation),
        Link("generation", "upstream", surplus - by_generation),
    ]
    if row.technical_mwh is not None:
        technical = min(row.technical_mwh, lost)
        found += [Link("loss", "technical", technical), Link("loss", "other", lost - technical)]
    return tuple(link for link in found if link.energy_mwh > 0)
