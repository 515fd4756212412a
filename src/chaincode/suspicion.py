"""Which meter may not tell all: hints, never proof, from what is lost and what each meter shows.

A meter that leaves out a part of what it measures loses in proportion to what it shows: over many intervals the
feeder's non-technical loss follows that meter, and no other. The measure is the correlation of the two, and the slope
of the straight line through them says how much is missing for each kWh shown. A meter that is passed round altogether
shows little and follows nothing: it is found by the fall of its own use against its past.

Sums are kept for each house and halved once a week, so that what was long ago fades.

Pure functions over integers (Wh, micro); no state but the sums that are handed in.
"""

from collections.abc import Sequence

from chaincode.api import Record
from chaincode.units import MICRO

FADE_AFTER = 672
LARGEST_WH = 100_000_000
"""More than any feeder carries in an interval; sums of squares stay within 64 bits."""
ENOUGH = 24
SLOW = 256
FAST = 16
FALLEN_TO = 4
"""A house has fallen when its recent use is below a quarter of its past one."""


class Sums(Record):
    """Over `count` intervals: the loss, its square; for each house its use, the square, use times loss; two means of
    its use, a quick and a slow one, in thousandths of a Wh."""

    count: int
    loss: int
    loss_squares: int
    houses: dict[str, tuple[int, int, int, int, int]]


def no_sums() -> Sums:
    return Sums(count=0, loss=0, loss_squares=0, houses={})


def added(sums: Sums, houses: Sequence[str], used_wh: Sequence[int], loss_wh: int) -> Sums:
    """The sums with one interval more. A new house counts as one that used nothing before; one that
    has gone is forgotten."""
    loss_wh = min(max(loss_wh, -LARGEST_WH), LARGEST_WH)
    count, loss, squares = sums.count + 1, sums.loss + loss_wh, sums.loss_squares + loss_wh * loss_wh
    fading = count >= FADE_AFTER
    known = sums.houses
    kept: dict[str, tuple[int, int, int, int, int]] = {}
    for house, shown_wh in zip(houses, used_wh, strict=True):
        wh = min(shown_wh, LARGEST_WH)
        use, use_squares, products, quick, slow = known.get(house, (0, 0, 0, wh * 1_000, wh * 1_000))
        use += wh
        use_squares += wh * wh
        products += wh * loss_wh
        quick += (wh * 1_000 - quick) // FAST
        slow += (wh * 1_000 - slow) // SLOW
        if fading:
            use, use_squares, products = use // 2, use_squares // 2, products // 2
        kept[house] = (use, use_squares, products, quick, slow)
    if fading:
        count, loss, squares = count // 2, loss // 2, squares // 2
    return Sums(count=count, loss=loss, loss_squares=squares, houses=kept)


def follows(sums: Sums, house: str) -> tuple[int, int]:
    """(square of the correlation, slope) of the loss on what a house used, in micro; 0 where they fall as it rises.

    Nothing is said of fewer than a day's worth of intervals.
    """
    use, use_squares, products, _, _ = sums.houses[house]
    if sums.count < ENOUGH:
        return 0, 0
    use_spread = sums.count * use_squares - use * use
    loss_spread = sums.count * sums.loss_squares - sums.loss * sums.loss
    together = sums.count * products - use * sums.loss
    if together <= 0 or use_spread <= 0 or loss_spread <= 0:
        return 0, 0
    return min(together * together * MICRO // (use_spread * loss_spread), MICRO), together * MICRO // use_spread


def fallen(sums: Sums, house: str) -> bool:
    """Whether a house uses far less than it did."""
    _, _, _, quick, slow = sums.houses[house]
    return sums.count >= ENOUGH and quick * FALLEN_TO < slow
