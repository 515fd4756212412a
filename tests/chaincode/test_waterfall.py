"""The waterfall gives every mWh one class and every minor unit one owner, as a slow reference says too."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chaincode.waterfall import (
    NOWHERE,
    POOL_EXPORT,
    POOL_IMPORT,
    TRADE_EXPORT,
    TRADE_IMPORT,
    Facts,
    Member,
    Settled,
    Terms,
    Trade,
    curtailed_mwh,
    ending,
    no_money,
    piece,
    settle,
    without,
)

KWH = 1_000_000
DIGITS = 4
PICO_PER_MINOR = 10 ** (12 - DIGITS)
RICH = 10**12


def trade(number: int, seller: int, buyer: int, left_mwh: int, price_micro: int = 200_000, **more: Any) -> Trade:
    given = {"fee_micro": 0, "escrow_minor": RICH, "pledge_minor": RICH} | more
    return Trade(number=number, seller=seller, buyer=buyer, left_mwh=left_mwh, price_micro=price_micro, **given)


def area(
    imports: list[int], exports: list[int], *trades: Trade, members: dict[int, int] | None = None, **more: Any
) -> Facts:
    places = members or {}
    given = {"charges": {"north": (0, 0)}, "pool_price_micro": 150_000, "pool_fee_micro": 0, "digits": DIGITS} | more
    return Facts(
        points=[f"north:{place}" for place in range(len(imports))],
        utilities=["north"] * len(imports),
        import_mwh=imports,
        export_mwh=exports,
        trades=list(trades),
        members=[Member(place=place, purse_minor=places[place]) for place in places],
        **given,
    )


def kwh(settled: Settled, place: int) -> list[float]:
    """The columns after import and export of a point: trade, pool, grid in; trade, pool, grid out."""
    return [value / KWH for value in settled.rows[place][2:]]


# ---------------------------------------------------------------- a slow reference


def reference(facts: Facts) -> tuple[list[list[int]], dict[int, int]]:
    """Rows and deliveries, one mWh at a time; of the pool by quotas in exact fractions. Money is no object."""
    imports, exports = list(facts.import_mwh), list(facts.export_mwh)
    rows = [[i, x, 0, 0, 0, 0, 0, 0] for i, x in zip(imports, exports, strict=True)]
    delivered: dict[int, int] = {}
    for each in facts.trades:
        delivered[each.number] = 0
        for _ in range(each.left_mwh):
            if NOWHERE in (each.seller, each.buyer) or not exports[each.seller] or not imports[each.buyer]:
                break
            exports[each.seller] -= 1
            imports[each.buyer] -= 1
            rows[each.buyer][2] += 1
            rows[each.seller][5] += 1
            delivered[each.number] += 1
    places = [member.place for member in facts.members]
    common = min(sum(imports[place] for place in places), sum(exports[place] for place in places))
    for left, column in ((imports, 3), (exports, 6)):
        for place, share in quotas(common, [left[place] for place in places]).items():
            rows[places[place]][column] = share
            left[places[place]] -= share
    for place, row in enumerate(rows):
        row[4], row[7] = imports[place], exports[place]
    return rows, delivered


def quotas(total: int, weights: list[int]) -> dict[int, int]:
    """Everyone's whole quota, then one each by the size of what was cut off, earlier ones first."""
    if not total:
        return dict.fromkeys(range(len(weights)), 0)
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    shares = {place: int(quota) for place, quota in enumerate(exact)}
    by_fraction = sorted(shares, key=lambda place: (shares[place] - exact[place], place))
    for place in by_fraction[: total - sum(shares.values())]:
        shares[place] += 1
    return shares


def minor(price_micro: int, energy_mwh: int) -> int:
    """Python rounds fractions half to even."""
    return round(Fraction(price_micro * energy_mwh, PICO_PER_MINOR))


@st.composite
def small_areas(draw: st.DrawFn, *, poor: bool = False) -> Facts:
    """A few houses, some mWh each, at prices that make single mWh worth some minor units."""
    count = draw(st.integers(1, 5))
    energies = st.lists(st.integers(0, 9), min_size=count, max_size=count)
    place = st.integers(NOWHERE, count - 1)
    purse = st.integers(0, 60) if poor else st.just(RICH)
    prices = st.integers(-(10**8), 4 * 10**8)
    trades = [
        Trade(
            number=number,
            seller=draw(place),
            buyer=draw(place),
            left_mwh=draw(st.integers(0, 9)),
            price_micro=draw(prices),
            fee_micro=draw(st.integers(0, 10**7)),
            escrow_minor=draw(purse),
            pledge_minor=draw(purse),
        )
        for number in range(1, draw(st.integers(0, 6)) + 1)
    ]
    members = draw(st.lists(st.integers(0, count - 1), unique=True))
    return Facts(
        points=[f"north:{number}" for number in range(count)],
        utilities=[draw(st.sampled_from(["north", "south"])) for _ in range(count)],
        import_mwh=draw(energies),
        export_mwh=draw(energies),
        trades=trades,
        members=[Member(place=member, purse_minor=draw(purse)) for member in sorted(members)],
        charges={"north": (2 * 10**7, 190_000), "south": (0, 70_000)},
        pool_price_micro=draw(st.integers(0, 4 * 10**8)),
        pool_fee_micro=draw(st.integers(0, 10**7)),
        digits=DIGITS,
    )


@given(small_areas())
def test_classes_are_those_of_a_slow_reference(facts: Facts) -> None:
    """1. trade by match time, 2. pool in proportion, 3. grid: as when each mWh is moved by hand."""
    settled = settle(facts)
    rows, delivered = reference(facts)
    assert settled.rows == rows
    assert {progress.number: progress.delivered_mwh for progress in settled.progress} == delivered


@given(small_areas(poor=True))
def test_every_mwh_has_exactly_one_class(facts: Facts) -> None:
    """sum I = trade + pool + grid import, sum X = trade + pool + feed-in; of each point, and of postings."""
    settled = settle(facts)
    for place, row in enumerate(settled.rows):
        assert min(row) >= 0
        assert row[:2] == [facts.import_mwh[place], facts.export_mwh[place]]
        assert row[0] == sum(row[2:5])
        assert row[1] == sum(row[5:8])
    for taken, given_ in ((2, 5), (3, 6)):
        assert sum(row[taken] for row in settled.rows) == sum(row[given_] for row in settled.rows)
    keys = [posting[:3] for posting in settled.postings]
    assert len(set(keys)) == len(keys)
    for kind, column in ((TRADE_IMPORT, 2), (POOL_IMPORT, 3), (TRADE_EXPORT, 5), (POOL_EXPORT, 6)):
        for place, point in enumerate(facts.points):
            of_point = [posting[3] for posting in settled.postings if posting[:2] == (point, kind)]
            assert sum(of_point) == settled.rows[place][column]


@given(small_areas(poor=True))
def test_money_in_is_money_out_and_no_escrow_is_overdrawn(facts: Facts) -> None:
    """Buyers' amounts are sellers' to the unit; a trade takes no more than its escrow, a member than its purse."""
    settled = settle(facts)
    bought = sum(posting[5] for posting in settled.postings if posting[1] in (TRADE_IMPORT, POOL_IMPORT))
    sold = sum(posting[5] for posting in settled.postings if posting[1] in (TRADE_EXPORT, POOL_EXPORT))
    assert bought == sold
    trades = {each.number: each for each in facts.trades}
    purses = {facts.points[member.place]: member.purse_minor for member in facts.members}
    for point, kind, ref, _, _, amount, *charges in settled.postings:
        if kind == TRADE_IMPORT:
            assert max(amount, 0) + sum(charges) <= trades[ref].escrow_minor
            assert max(-amount, 0) <= trades[ref].pledge_minor
        elif kind == POOL_IMPORT:
            assert amount + sum(charges) <= purses[point]


@given(small_areas())
def test_lines_are_rounded_once_and_remainders_make_them_exact(facts: Facts) -> None:
    """Half to even, once per line; what rounding took or gave is kept in pico, so that nothing is lost."""
    settled = settle(facts)
    exact: dict[str, Fraction] = {}
    for point, kind, ref, energy, price, amount, fee, levy, tax in settled.postings:
        if kind not in (TRADE_IMPORT, POOL_IMPORT):
            continue
        utility = facts.utilities[facts.points.index(point)]
        levy_micro, tax_micro = facts.charges[utility]
        fee_micro = facts.pool_fee_micro if kind == POOL_IMPORT else facts.trades[ref - 1].fee_micro
        assert (amount, fee, levy) == (minor(price, energy), minor(fee_micro, energy), minor(levy_micro, energy))
        taxed = Fraction(max(amount + fee + levy, 0) * tax_micro, 10**6)
        assert tax == round(taxed)
        owed = Fraction((price + fee_micro + levy_micro) * energy, PICO_PER_MINOR) + taxed
        exact[utility] = exact.get(utility, Fraction(0)) + owed - (amount + fee + levy + tax)
    assert {utility: rest * PICO_PER_MINOR for utility, rest in exact.items()} == settled.remainders_pico


@given(small_areas(), st.randoms())
def test_only_the_order_of_match_decides(facts: Facts, chance: Any) -> None:
    """The same trades, listed alike, give the same; the order of members changes no sum, and no trade."""
    members = list(facts.members)
    chance.shuffle(members)
    one, other = settle(facts), settle(facts.replace(members=members))
    assert one.progress == other.progress
    assert [sum(row[at] for row in one.rows) for at in range(8)] == [
        sum(row[at] for row in other.rows) for at in range(8)
    ]


# ---------------------------------------------------------------- single rules


def test_eight_kwh_delivered_of_five_and_four_sold() -> None:
    """By match time: the first buyer has its 5, the second 3 of 4; the seller is short of 1, at the difference."""
    facts = area([0, 6 * KWH, 6 * KWH], [8 * KWH, 0, 0], trade(1, 0, 1, 5 * KWH), trade(2, 0, 2, 4 * KWH))
    settled = settle(facts)
    assert [kwh(settled, place) for place in range(3)] == [
        [0, 0, 0, 8, 0, 0],
        [5, 0, 1, 0, 0, 0],
        [3, 0, 3, 0, 0, 0],
    ]
    [first, second] = settled.progress
    assert (first.delivered_mwh, first.missed_mwh) == (5 * KWH, 0)
    assert (second.delivered_mwh, second.missed_mwh) == (3 * KWH, 1 * KWH)
    judged = ending(terms(energy=4, delivered=3, missed=1, pledge=RICH), 320_000, take_or_pay=False, digits=DIGITS)
    assert (judged.seller_short_mwh, judged.buyer_short_mwh) == (KWH, 0)
    assert judged.seller_pays_minor == minor(320_000 - 200_000, KWH)


def test_the_order_of_match_goes_before_the_order_of_numbers() -> None:
    """Whoever matched first is served first; the list is in that order."""
    facts = area([0, 5 * KWH, 5 * KWH], [5 * KWH, 0, 0], trade(9, 0, 2, 4 * KWH), trade(3, 0, 1, 4 * KWH))
    assert [progress.delivered_mwh for progress in settle(facts).progress] == [4 * KWH, 1 * KWH]


def test_excess_goes_to_the_pool_then_to_feed_in() -> None:
    """What a buyer does not take the seller's neighbours take at the pool's price, and the grid the rest."""
    facts = area([0, 2 * KWH, 3 * KWH], [9 * KWH, 0, 0], trade(1, 0, 1, 5 * KWH), members={0: 0, 2: RICH})
    settled = settle(facts)
    assert kwh(settled, 0) == [0, 0, 0, 2, 3, 4]
    assert kwh(settled, 2) == [0, 3, 0, 0, 0, 0]
    assert settled.progress[0].missed_mwh == 0
    assert settled.progress[0].spare_mwh == 3 * KWH


def test_who_is_no_member_has_no_pool() -> None:
    """Only enrolled members share: the others' rest is the grid's, both ways."""
    settled = settle(area([4 * KWH, 4 * KWH], [0, 4 * KWH], members={1: RICH}))
    assert kwh(settled, 0) == [0, 0, 4, 0, 0, 0]
    assert kwh(settled, 1) == [0, 4, 0, 0, 4, 0]


def test_a_member_without_money_gives_but_does_not_take() -> None:
    """Its import is the grid's, and it is named; its export is paid."""
    settled = settle(area([0, 4 * KWH, KWH], [5 * KWH, 0, 0], members={0: 0, 1: 0, 2: RICH}))
    assert kwh(settled, 1) == [0, 0, 4, 0, 0, 0]
    assert settled.unfunded == [1]
    assert [posting for posting in settled.postings if posting[1] == POOL_EXPORT] == [
        ("north:0", POOL_EXPORT, 0, KWH, 150_000, minor(150_000, KWH), 0, 0, 0)
    ]


def test_a_buyer_pays_price_fee_levies_and_tax_on_their_sum() -> None:
    """Trade and pool: the seller's price + local grid fee + levies + tax. The seller's own price is untouched."""
    charges = {"north": (20_000, 190_000)}
    facts = area([0, 2 * KWH], [2 * KWH, 0], trade(1, 0, 1, 2 * KWH, fee_micro=10_000), charges=charges)
    bought, sold = settle(facts).postings
    assert bought[4:] == (200_000, 4_000, 200, 400, 874)
    assert sold[4:] == (200_000, 4_000, 0, 0, 0)


def test_an_escrow_that_does_not_pay_all_pays_a_part_and_the_rest_is_grid() -> None:
    """A match always pays: what it cannot pay for is not delivered by it, and is nobody's shortfall but the buyer's."""
    settled = settle(area([0, 10 * KWH], [10 * KWH, 0], trade(1, 0, 1, 10 * KWH, escrow_minor=10_000)))
    [progress] = settled.progress
    assert 4_990_000 < progress.delivered_mwh < 5_000_000
    assert (progress.unpaid, progress.missed_mwh, progress.spare_mwh) == (True, 0, 0)
    assert kwh(settled, 1)[2] == 10 - progress.delivered_mwh / KWH


def test_below_a_price_of_zero_the_seller_pays() -> None:
    """Negative price: out of the pledge, to the buyer; fees and levies are still the buyer's, tax is not below zero."""
    charges = {"north": (20_000, 190_000)}
    facts = area([0, KWH], [KWH, 0], trade(1, 0, 1, KWH, price_micro=-50_000, fee_micro=10_000), charges=charges)
    bought, sold = settle(facts).postings
    assert bought[5:] == (-500, 100, 200, 0)
    assert sold[5] == -500
    poor = settle(facts.replace(trades=[facts.trades[0].replace(pledge_minor=0)]))
    assert poor.progress[0].delivered_mwh == 0


def test_at_a_price_of_zero_only_charges_are_paid() -> None:
    """Zero price: the energy has its class all the same."""
    facts = area([0, KWH], [KWH, 0], trade(1, 0, 1, KWH, price_micro=0, fee_micro=10_000))
    bought, _ = settle(facts).postings
    assert bought[3:] == (KWH, 0, 0, 100, 0, 0)


def test_nothing_taken_or_nothing_given_is_all_grid() -> None:
    """G = 0, C = 0, both 0, one house: nothing to share, nothing lost."""
    assert kwh(settle(area([3 * KWH], [0], members={0: RICH})), 0) == [0, 0, 3, 0, 0, 0]
    assert kwh(settle(area([0], [3 * KWH], members={0: RICH})), 0) == [0, 0, 0, 0, 0, 3]
    assert kwh(settle(area([0], [0], trade(1, 0, 0, KWH), members={0: RICH})), 0) == [0] * 6
    assert settle(area([], [])).rows == []


def test_all_are_prosumers() -> None:
    """All prosumers: what each gives beyond its own needs goes to who still takes; the rest of either is the grid's."""
    settled = settle(area([KWH, 2 * KWH, 0], [3 * KWH, KWH, 2 * KWH], members={0: RICH, 1: RICH, 2: RICH}))
    rows = [kwh(settled, at) for at in range(3)]
    assert [sum(row[:3]) for row in rows] == [1, 2, 0]
    assert [sum(row[3:]) for row in rows] == [3, 1, 2]
    assert sum(row[1] for row in rows) == sum(row[4] for row in rows) == 3
    assert [row[2] for row in rows] == [0, 0, 0]


def test_who_has_moved_away_neither_takes_nor_gives() -> None:
    """A trade binds two customers: at another's house nothing is delivered, and the buyer's import is missed."""
    settled = settle(area([4 * KWH], [0], trade(1, NOWHERE, 0, 3 * KWH)))
    assert settled.progress[0].delivered_mwh == 0
    assert settled.progress[0].missed_mwh == 3 * KWH


def test_what_a_buyer_takes_from_elsewhere_counts_once_among_its_trades() -> None:
    """Two sellers that both fail one buyer are short together of no more than it took."""
    facts = area([0, 0, 5 * KWH], [0, 0, 0], trade(1, 0, 2, 4 * KWH), trade(2, 1, 2, 4 * KWH))
    assert [progress.missed_mwh for progress in settle(facts).progress] == [4 * KWH, 1 * KWH]


# ---------------------------------------------------------------- the end of a trade


def terms(
    energy: int = 5,
    delivered: int = 0,
    missed: int = 0,
    spare: int = 0,
    curtailed: int = 0,
    price: int = 200_000,
    escrow: int = RICH,
    pledge: int = RICH,
) -> Terms:
    return Terms(
        energy_mwh=energy * KWH,
        price_micro=price,
        delivered_mwh=delivered * KWH,
        missed_mwh=missed * KWH,
        spare_mwh=spare * KWH,
        curtailed_mwh=curtailed * KWH,
        escrow_minor=escrow,
        pledge_minor=pledge,
    )


def judge(found: Terms, imbalance_micro: int = 300_000, *, take_or_pay: bool = False) -> tuple[int, int, int, int]:
    judged = ending(found, imbalance_micro, take_or_pay, DIGITS)
    shorts = judged.seller_short_mwh // KWH, judged.buyer_short_mwh // KWH
    return (*shorts, judged.seller_pays_minor, judged.buyer_pays_minor)


def test_a_seller_pays_the_difference_to_the_imbalance_price_for_its_shortfall() -> None:
    """max(0, imbalance - trade price) x shortfall, capped by its collateral."""
    assert judge(terms(delivered=3, missed=2)) == (2, 0, 2_000, 0)
    assert judge(terms(delivered=3, missed=2, pledge=1_500)) == (2, 0, 1_500, 0)
    assert judge(terms(delivered=3, missed=2), imbalance_micro=150_000) == (2, 0, 0, 0)


def test_a_buyer_that_takes_less_pays_for_what_it_took() -> None:
    """Buyer's shortfall: pay for taken; by the rule take or pay, also the price of what was there for it."""
    assert judge(terms(delivered=3, spare=2)) == (0, 2, 0, 0)
    assert judge(terms(delivered=3, spare=2), take_or_pay=True) == (0, 2, 0, 4_000)
    assert judge(terms(delivered=3, spare=1), take_or_pay=True) == (0, 2, 0, 2_000)
    assert judge(terms(delivered=3, spare=2, escrow=100), take_or_pay=True) == (0, 2, 0, 100)


def test_curtailed_energy_is_nobodys_fault() -> None:
    """Curtailed Wh carry no penalty."""
    assert judge(terms(delivered=1, missed=4, curtailed=4)) == (0, 0, 0, 0)
    assert judge(terms(delivered=1, missed=4, curtailed=3)) == (1, 0, 1_000, 0)


def test_an_order_to_stop_excuses_an_even_pace_from_then_on() -> None:
    """What should have come before the order was owed."""
    assert curtailed_mwh(4 * KWH, 3 * KWH, 0, 4_000, 2_000) == 2 * KWH
    assert curtailed_mwh(4 * KWH, 1 * KWH, 0, 4_000, 2_000) == 1 * KWH
    assert curtailed_mwh(4 * KWH, 4 * KWH, 1_000, 4_000, 0) == 4 * KWH
    assert curtailed_mwh(4 * KWH, 4 * KWH, 0, 4_000, 4_000) == 0


# ---------------------------------------------------------------- money in pieces


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=12),
    st.lists(st.integers(0, 1_000), min_size=0, max_size=12),
    st.integers(1, 5),
)
def test_pieces_balance_and_leave_nothing(taken: list[int], cuts: list[int], size: int) -> None:
    """Each piece takes what it gives, has at most so many entries, and all pieces are the whole."""
    whole = sum(taken)
    bounds = sorted({0, whole, *(cut for cut in cuts if cut < whole)})
    debits = [(f"owner-{at}", "pool", amount) for at, amount in enumerate(taken)]
    credited = [(f"account-{at}", high - low) for at, (low, high) in enumerate(pairwise(bounds))]
    moved, paid = no_money(), no_money()
    left_debits, left_credits = debits, credited
    for _ in range(len(debits) + len(credited)):
        if not left_debits:
            break
        some, others = piece(left_debits, left_credits, size)
        assert len(some) <= size
        assert len(others) <= size
        assert sum(row[2] for row in some) == sum(row[1] for row in others) > 0
        for owner, _, amount in some:
            moved.give(owner, amount)
        for account, amount in others:
            paid.give(account, amount)
        left_debits, left_credits = without(left_debits, left_credits, some, others)
    assert (left_debits, left_credits) == ([], [])
    assert moved.given == {owner: amount for owner, _, amount in debits}
    assert paid.credits() == sorted(credited)
