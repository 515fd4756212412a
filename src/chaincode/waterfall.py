"""Waterfall: what becomes of every mWh of an interval, and of the money for it.

    facts     what each point of an area took and gave, who trades with whom, who shares the pool, at which charges
    settled   eight numbers for each point, postings, and how far each trade has come
    money     what is taken from which escrow and given to which account, balanced

Every mWh of import and export gets one class, in this order:

1. trade   by time of match, the least of: what is left of the contract, of the seller's export, of the buyer's import
2. pool    what members still give to what members still take, in proportion, at the pool's price
3. grid    the rest: at retail, or at feed-in; no money here, a tariff and a bill are for that

A buyer pays the seller's price, the grid fee, levies and tax, each rounded once. No more is delivered by
contract than the escrow pays, nor out of the pool than the purse pays; the rest is grid. What the pool's buyers
pay its sellers get, to the unit: the one is rounded by line, the others share the sum. Below a price of zero
the seller of a trade pays, from the pledge; tax is never below zero. The pool's price is not below zero.

Pure functions over integers; no state.
"""

from collections.abc import Sequence

from chaincode.api import Record
from chaincode.units import largest_remainder, price_times_energy, rate_times_amount

TRADE_IMPORT = "trade_import"
TRADE_EXPORT = "trade_export"
POOL_IMPORT = "pool_import"
POOL_EXPORT = "pool_export"
NOWHERE = -1
"""The place of a party that is no point of the area in this interval, or whose house has another customer now."""
ROUNDINGS_MINOR = 4
"""Four parts of a line are rounded, tax also on what that gave: a line is nearer than this to its exact price."""

COLUMNS = (
    "import",
    "export",
    "trade_import",
    "pool_import",
    "grid_import",
    "trade_export",
    "pool_export",
    "grid_export",
)
"""What the eight numbers of a point are, all in mWh."""

# ---------------------------------------------------------------- data


class Trade(Record):
    """A trade that is due; places are those in `Facts.points`. In order of match."""

    number: int
    seller: int
    buyer: int
    left_mwh: int
    price_micro: int
    fee_micro: int
    escrow_minor: int
    pledge_minor: int


class Member(Record):
    """A member of the pool, and what is in its purse."""

    place: int
    purse_minor: int


class Facts(Record):
    """All that decides an interval. `charges`: of each utility, (levies per kWh, rate of tax), in micro."""

    points: list[str]
    utilities: list[str]
    import_mwh: list[int]
    export_mwh: list[int]
    trades: list[Trade]
    members: list[Member]
    charges: dict[str, tuple[int, int]]
    pool_price_micro: int
    pool_fee_micro: int
    digits: int


class Progress(Record):
    """What a trade did in an interval. `missed`: taken by the buyer from elsewhere while it was owed; `spare`: given
    by the seller to elsewhere while the buyer did not take it; `unpaid`: there was no money for more."""

    number: int
    delivered_mwh: int
    missed_mwh: int
    spare_mwh: int
    unpaid: bool


class Settled(Record):
    """`rows`: the eight columns by point. `remainders_pico`: by utility, what rounding took (above zero) or gave.

    A posting is (point, kind, trade's number or 0, energy mWh, price, amount, fee, levy, tax); its first three
    name it. At an import the amount is paid, at an export received; only an import bears fee, levy and tax.
    """

    rows: list[list[int]]
    postings: list[tuple[str, str, int, int, int, int, int, int, int]]
    progress: list[Progress]
    unfunded: list[int]
    remainders_pico: dict[str, int]


class Terms(Record):
    """What a trade that is over is judged by."""

    energy_mwh: int
    price_micro: int
    delivered_mwh: int
    missed_mwh: int
    spare_mwh: int
    curtailed_mwh: int
    escrow_minor: int
    pledge_minor: int


class Ending(Record):
    """How a trade ends: who fell short by how much, and what that costs whom."""

    seller_short_mwh: int
    buyer_short_mwh: int
    seller_pays_minor: int
    buyer_pays_minor: int


class Line(Record):
    """What a buyer's energy costs, and what rounding left over."""

    price_micro: int
    amount_minor: int
    fee_minor: int
    levy_minor: int
    tax_minor: int
    remainder_pico: int

    @property
    def buyer_minor(self) -> int:
        """What leaves the buyer's escrow."""
        return max(self.amount_minor, 0) + self.fee_minor + self.levy_minor + self.tax_minor

    @property
    def seller_minor(self) -> int:
        """What leaves the seller's, at a price below zero."""
        return max(-self.amount_minor, 0)


# ---------------------------------------------------------------- one interval


def settle(facts: Facts) -> Settled:
    """Give every mWh of an interval its class, and price what is not the grid's."""
    count = len(facts.points)
    made = Settled(
        rows=[[facts.import_mwh[at], facts.export_mwh[at], 0, 0, 0, 0, 0, 0] for at in range(count)],
        postings=[],
        progress=[],
        unfunded=[],
        remainders_pico={},
    )
    _trade(facts, made)
    if facts.members:
        _pool(facts, made)
    for row in made.rows:
        row[4] = row[0] - row[2] - row[3]
        row[7] = row[1] - row[5] - row[6]
    return made


def _trade(facts: Facts, made: Settled) -> None:
    """First come, first served; then who missed what, and who had it to spare."""
    left_import, left_export = facts.import_mwh.copy(), facts.export_mwh.copy()
    delivered: list[int] = []
    unpaid: list[bool] = []
    for trade in facts.trades:
        energy_mwh = 0
        if NOWHERE not in (trade.seller, trade.buyer):
            energy_mwh = min(trade.left_mwh, left_export[trade.seller], left_import[trade.buyer])
        wanted_mwh = energy_mwh
        if energy_mwh:
            line = priced(facts, trade.buyer, trade.price_micro, trade.fee_micro, energy_mwh)
            if line.buyer_minor > trade.escrow_minor or line.seller_minor > trade.pledge_minor:
                energy_mwh = affordable(energy_mwh, line.buyer_minor, trade.escrow_minor)
                energy_mwh = affordable(energy_mwh, line.seller_minor, trade.pledge_minor)
                line = priced(facts, trade.buyer, trade.price_micro, trade.fee_micro, energy_mwh)
        if energy_mwh:
            left_import[trade.buyer] -= energy_mwh
            left_export[trade.seller] -= energy_mwh
            made.rows[trade.buyer][2] += energy_mwh
            made.rows[trade.seller][5] += energy_mwh
            _taken(facts, made, TRADE_IMPORT, trade.buyer, trade.number, energy_mwh, line)
            _given(
                facts, made, TRADE_EXPORT, trade.seller, trade.number, energy_mwh, line.price_micro, line.amount_minor
            )
        delivered.append(energy_mwh)
        unpaid.append(energy_mwh < wanted_mwh)
    for at, trade in enumerate(facts.trades):
        owed_mwh = 0 if unpaid[at] else trade.left_mwh - delivered[at]
        missed_mwh = spare_mwh = 0
        if owed_mwh and trade.buyer != NOWHERE:
            missed_mwh = min(owed_mwh, left_import[trade.buyer])
            left_import[trade.buyer] -= missed_mwh
        if owed_mwh and trade.seller != NOWHERE:
            spare_mwh = min(owed_mwh, left_export[trade.seller])
            left_export[trade.seller] -= spare_mwh
        progress = Progress(
            number=trade.number,
            delivered_mwh=delivered[at],
            missed_mwh=missed_mwh,
            spare_mwh=spare_mwh,
            unpaid=unpaid[at],
        )
        made.progress.append(progress)


def _pool(facts: Facts, made: Settled) -> None:
    """Rest to rest among members, of whom those who take can pay: by largest remainder both ways, at one price."""
    price_micro, fee_micro = facts.pool_price_micro, facts.pool_fee_micro
    takes: list[int] = []
    gives: list[int] = []
    for member in facts.members:
        row = made.rows[member.place]
        wanted_mwh = energy_mwh = row[0] - row[2]
        if wanted_mwh:
            cost_minor = priced(facts, member.place, price_micro, fee_micro, wanted_mwh).buyer_minor
            energy_mwh = affordable(wanted_mwh, cost_minor, member.purse_minor)
            if energy_mwh < wanted_mwh:
                made.unfunded.append(member.place)
        takes.append(energy_mwh)
        gives.append(row[1] - row[5])
    pooled_mwh = min(sum(takes), sum(gives))
    if not pooled_mwh:
        return
    paid_minor = 0
    for member, energy_mwh in zip(facts.members, largest_remainder(pooled_mwh, takes), strict=True):
        if energy_mwh:
            line = priced(facts, member.place, price_micro, fee_micro, energy_mwh)
            made.rows[member.place][3] = energy_mwh
            _taken(facts, made, POOL_IMPORT, member.place, 0, energy_mwh, line)
            paid_minor += line.amount_minor
    given = largest_remainder(pooled_mwh, gives)
    received = largest_remainder(paid_minor, given)
    for member, energy_mwh, amount_minor in zip(facts.members, given, received, strict=True):
        if energy_mwh:
            made.rows[member.place][6] = energy_mwh
            _given(facts, made, POOL_EXPORT, member.place, 0, energy_mwh, price_micro, amount_minor)


def priced(facts: Facts, buyer: int, price_micro: int, fee_micro: int, energy_mwh: int) -> Line:
    """A buyer's line: price, grid fee and levies on the energy, tax on their sum, each rounded once."""
    levy_micro, tax_micro = facts.charges[facts.utilities[buyer]]
    amount_minor, remainder_pico = price_times_energy(price_micro, energy_mwh, facts.digits)
    fee_minor = levy_minor = tax_minor = 0
    if fee_micro:
        fee_minor, rest_pico = price_times_energy(fee_micro, energy_mwh, facts.digits)
        remainder_pico += rest_pico
    if levy_micro:
        levy_minor, rest_pico = price_times_energy(levy_micro, energy_mwh, facts.digits)
        remainder_pico += rest_pico
    taxed_minor = amount_minor + fee_minor + levy_minor
    if tax_micro and taxed_minor > 0:
        tax_minor, rest_pico = rate_times_amount(tax_micro, taxed_minor, facts.digits)
        remainder_pico += rest_pico
    return Line(
        price_micro=price_micro,
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        levy_minor=levy_minor,
        tax_minor=tax_minor,
        remainder_pico=remainder_pico,
    )


def affordable(energy_mwh: int, cost_minor: int, purse_minor: int) -> int:
    """So much of this energy that a purse pays it, whatever rounding does; all of it when the purse has its cost."""
    if cost_minor <= purse_minor:
        return energy_mwh
    return energy_mwh * max(purse_minor - ROUNDINGS_MINOR, 0) // (cost_minor + ROUNDINGS_MINOR)


def _taken(facts: Facts, made: Settled, kind: str, place: int, ref: int, energy_mwh: int, line: Line) -> None:
    amounts = (line.amount_minor, line.fee_minor, line.levy_minor, line.tax_minor)
    made.postings.append((facts.points[place], kind, ref, energy_mwh, line.price_micro, *amounts))
    utility = facts.utilities[place]
    made.remainders_pico[utility] = made.remainders_pico.get(utility, 0) + line.remainder_pico


def _given(
    facts: Facts, made: Settled, kind: str, place: int, ref: int, energy_mwh: int, price_micro: int, amount_minor: int
) -> None:
    made.postings.append((facts.points[place], kind, ref, energy_mwh, price_micro, amount_minor, 0, 0, 0))


# ---------------------------------------------------------------- the end of a trade


def ending(terms: Terms, imbalance_micro: int, take_or_pay: bool, digits: int) -> Ending:
    """What was owed and not delivered, by whose fault, and what it costs.

    The seller is short of what the buyer took from elsewhere meanwhile, and pays the difference of the
    imbalance price to the trade's, as far as the pledge goes. The rest the buyer did not take: it pays
    nothing for it or, by `take_or_pay`, the price of what the seller had to spare. Curtailed energy is
    nobody's fault.
    """
    owed_mwh = max(terms.energy_mwh - terms.delivered_mwh - terms.curtailed_mwh, 0)
    seller_short_mwh = min(owed_mwh, terms.missed_mwh)
    buyer_short_mwh = owed_mwh - seller_short_mwh
    dearer_micro = max(imbalance_micro - terms.price_micro, 0)
    seller_pays_minor = min(price_times_energy(dearer_micro, seller_short_mwh, digits)[0], terms.pledge_minor)
    buyer_pays_minor = 0
    if take_or_pay:
        spare_mwh = min(buyer_short_mwh, terms.spare_mwh)
        price_micro = max(terms.price_micro, 0)
        buyer_pays_minor = min(price_times_energy(price_micro, spare_mwh, digits)[0], terms.escrow_minor)
    return Ending(
        seller_short_mwh=seller_short_mwh,
        buyer_short_mwh=buyer_short_mwh,
        seller_pays_minor=seller_pays_minor,
        buyer_pays_minor=buyer_pays_minor,
    )


def curtailed_mwh(energy_mwh: int, left_mwh: int, from_ms: int, until_ms: int, at_ms: int) -> int:
    """What an order to stop took away: of what is left, no more than an even pace would have brought after it."""
    if at_ms >= until_ms:
        return 0
    return min(left_mwh, energy_mwh * (until_ms - max(at_ms, from_ms)) // (until_ms - from_ms))


# ---------------------------------------------------------------- money


class Money:
    """What is taken from escrows, as (owner, escrow, minor units), and given to accounts."""

    debits: list[tuple[str, str, int]]
    given: dict[str, int]

    def take(self, owner: str, escrow: str, amount_minor: int) -> None:
        """Of each escrow once."""
        if amount_minor:
            self.debits.append((owner, escrow, amount_minor))

    def give(self, account: str, amount_minor: int) -> None:
        if amount_minor:
            self.given[account] = self.given.get(account, 0) + amount_minor

    def credits(self) -> list[tuple[str, int]]:
        """By account."""
        return [(account, self.given[account]) for account in sorted(self.given)]


def no_money() -> Money:
    money = Money()
    money.debits, money.given = [], {}
    return money


def piece(
    debits: Sequence[tuple[str, str, int]], credits: Sequence[tuple[str, int]], size: int
) -> tuple[list[tuple[str, str, int]], list[tuple[str, int]]]:
    """The first of these, at most `size` of each, with equal sums; the last of one side may be a part of it."""
    taken, given = list(debits[:size]), list(credits[:size])
    surplus_minor = sum(amount_minor for _, _, amount_minor in taken) - sum(amount_minor for _, amount_minor in given)
    while surplus_minor > 0:
        owner, escrow, amount_minor = taken.pop()
        if amount_minor > surplus_minor:
            taken.append((owner, escrow, amount_minor - surplus_minor))
        surplus_minor -= min(amount_minor, surplus_minor)
    while surplus_minor < 0:
        account, amount_minor = given.pop()
        if amount_minor > -surplus_minor:
            given.append((account, amount_minor + surplus_minor))
        surplus_minor += min(amount_minor, -surplus_minor)
    return taken, given


def without(
    debits: Sequence[tuple[str, str, int]],
    credits: Sequence[tuple[str, int]],
    taken: Sequence[tuple[str, str, int]],
    given: Sequence[tuple[str, int]],
) -> tuple[list[tuple[str, str, int]], list[tuple[str, int]]]:
    """What is still to be moved after a piece of it."""
    left_debits, left_credits = list(debits[len(taken) :]), list(credits[len(given) :])
    if taken and debits[len(taken) - 1][2] > taken[-1][2]:
        owner, escrow, amount_minor = debits[len(taken) - 1]
        left_debits.insert(0, (owner, escrow, amount_minor - taken[-1][2]))
    if given and credits[len(given) - 1][1] > given[-1][1]:
        account, amount_minor = credits[len(given) - 1]
        left_credits.insert(0, (account, amount_minor - given[-1][1]))
    return left_debits, left_credits
