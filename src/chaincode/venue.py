"""Venue: a market as data, with the fees between its feeders. What two of its operator's people decide.

    market   under `market`, id and the time from which it holds
    wedges   under `wedges`, market and time: fees and limits between pairs of feeders that differ from the common ones

A delivery is traded to its end under the version that held when its first order came.

Mechanisms with one price for all have one fee for all: they take no wedges. Settlement pays a trade's fee to one
account; where a mechanism leaves something between what buyers pay and sellers get (truthful), that goes with the
fee, so both have one account there. With bill_share every buyer takes a part of every seller's energy, at its ask.
"""

from chaincode.access import require_id
from chaincode.api import Context, Record, Refusal
from chaincode.book import LARGEST_ENERGY_WH, LARGEST_PRICE_MICRO, Pair
from chaincode.calendar import HOUR_MS, Zone
from chaincode.dated import dated_at
from chaincode.units import MICRO
from chaincode.windows import Window, fault_of_windows

BOARD = "board"
CONTINUOUS = "continuous"
UNIFORM = "uniform"
PAY_AS_BID = "pay_as_bid"
TRUTHFUL = "truthful"
CENTRAL = "central"
MID_MARKET = "mid_market"
BILL_SHARE = "bill_share"
HYBRID = "hybrid"
MECHANISMS = (BOARD, CONTINUOUS, UNIFORM, PAY_AS_BID, TRUTHFUL, CENTRAL, MID_MARKET, BILL_SHARE, HYBRID)
ONE_PRICE = (UNIFORM, TRUTHFUL, MID_MARKET, BILL_SHARE)
AT_ONCE = (CONTINUOUS, HYBRID)
"""An arriving order trades with the resting ones."""
BY_COORDINATOR = (CENTRAL, HYBRID)
WEDGES_LIMIT = 100
FEEDERS_LIMIT = 20
YEAR_DAYS = 366


class Market(Record):
    """Limits of 0 are none; `feeders` () are all of the area. A price is micro per kWh, at the seller's terminal.

    `partner_limit_micro`: the largest share of what a customer trades in `partner_days` that may be with one other, but
    for the first `partner_free_wh` (`partners.py`).
    `coordinator_ms`: how long after the bids the coordinator may match before the contract clears by itself.
    `retail_micro`, `feed_in_micro`: what energy costs and earns outside, for mid_market; None: the book's own.
    """

    id: str
    operator: str
    area: str
    mechanism: str
    zone: Zone
    cap_micro: int
    windows: tuple[Window, ...] = ()
    floor_micro: int = 0
    tick_micro: int = 1
    order_limit_wh: int = 0
    position_limit_wh: int = 0
    feeder_limit_wh: int = 0
    partner_limit_micro: int = 0
    partner_free_wh: int = 0
    partner_days: int = 7
    collateral_micro: int = 0
    fee_micro: int = 0
    fee_account: str = ""
    surplus_account: str = ""
    retail_micro: int | None = None
    feed_in_micro: int | None = None
    coordinator_ms: int = 0
    feeders: tuple[str, ...] = ()
    open: bool = True


class Wedge(Record):
    """What energy from one feeder to another costs the buyer, to whom that goes, and what the line carries (0: all)."""

    from_feeder: str
    to_feeder: str
    fee_micro: int
    account: str
    limit_w: int = 0


class Wedges(Record):
    """All of a market that hold from one time on."""

    wedges: list[Wedge]


class Venue(Record):
    """A market with its wedges, the ledger's interval and the currency's digits."""

    market: Market
    wedges: list[Wedge]
    interval_ms: int
    digits: int

    def wedge(self, seller_feeder: str, buyer_feeder: str) -> Wedge:
        """What holds between two feeders."""
        for wedge in self.wedges:
            if wedge.from_feeder == seller_feeder and wedge.to_feeder == buyer_feeder:
                return wedge
        return Wedge(
            from_feeder=seller_feeder,
            to_feeder=buyer_feeder,
            fee_micro=self.market.fee_micro,
            account=self.market.fee_account,
        )

    def lowest_fee(self) -> int:
        return min([self.market.fee_micro, *(wedge.fee_micro for wedge in self.wedges)])

    def highest_fee(self, buyer_feeder: str) -> int:
        """The dearest way to a feeder."""
        fees = [wedge.fee_micro for wedge in self.wedges if wedge.to_feeder == buyer_feeder]
        return max([self.market.fee_micro, *fees])


class MarketInvalid(Refusal):
    """A market or wedge contradicts itself: the words say where."""

    code = "MARKET_INVALID"


class MarketUnknown(Refusal):
    """No market of this id holds at that time."""

    code = "MARKET_UNKNOWN"


def venue_at(ctx: Context, market: str, at_ms: int) -> Venue:
    """A market as it holds at a time. Refuses one that does not."""
    found: Market | None = dated_at(ctx, "market", market, at_ms, Market)
    if found is None:
        raise MarketUnknown(f"no market {market} holds at {at_ms} ms")
    ground = ctx.call("registry", "ground")
    return Venue(
        market=found,
        wedges=wedges_at(ctx, market, at_ms),
        interval_ms=ground["interval_ms"],
        digits=ground["digits"],
    )


def wedges_at(ctx: Context, market: str, at_ms: int) -> list[Wedge]:
    found: Wedges | None = dated_at(ctx, "wedges", market, at_ms, Wedges)
    return [] if found is None else found.wedges


def check_market(ctx: Context, market: Market) -> str:
    """The operator of a market that can be; its area is one that settlement has opened. Refuses any other."""
    area = ctx.call("registry", "area", area=market.area)
    operator: str = area["operator"]
    require_id(market.id, operator)
    ctx.call("settlement", "area", area=market.area)
    interval_ms: int = ctx.call("registry", "ground")["interval_ms"]
    fault = fault_of_windows(market.windows, market.zone, interval_ms) or fault_of_market(market, operator)
    if not fault and any(feeder not in area["feeders"] for feeder in market.feeders):
        fault = f"the feeders of a market are of {market.area}"
    if not fault and market.mechanism in ONE_PRICE and wedges_at(ctx, market.id, ctx.time_ms):
        fault = f"{market.mechanism} has one price for all, and the market has wedges"
    if fault:
        raise MarketInvalid(fault)
    for account in (market.fee_account, market.surplus_account):
        if account:
            ctx.call("identity", "describe", identity=account)
    return operator


def fault_of_market(market: Market, operator: str) -> str:
    """What is wrong with a market by itself, '' if nothing is."""
    if market.operator != operator:
        return f"the operator of {market.area} is {operator}"
    if market.mechanism not in MECHANISMS:
        return f"a mechanism is one of {', '.join(MECHANISMS)}"
    if not -LARGEST_PRICE_MICRO <= market.floor_micro <= market.cap_micro <= LARGEST_PRICE_MICRO:
        return "prices lie between floor and cap"
    limits = (market.order_limit_wh, market.position_limit_wh, market.feeder_limit_wh, market.partner_free_wh)
    if market.tick_micro < 1 or not all(0 <= limit <= LARGEST_ENERGY_WH for limit in limits):
        return "a tick is at least 1 micro, limits are not below zero"
    if not 0 <= market.partner_limit_micro <= MICRO or not 1 <= market.partner_days <= YEAR_DAYS:
        return f"a share with one other is 0 to {MICRO} micro, of 1 to {YEAR_DAYS} days"
    if not 0 <= market.collateral_micro <= LARGEST_PRICE_MICRO or not 0 <= market.fee_micro <= LARGEST_PRICE_MICRO:
        return "collateral and fee are not below zero"
    if market.fee_micro and not market.fee_account:
        return "a fee goes to an account"
    if not 0 <= market.coordinator_ms <= HOUR_MS or (market.coordinator_ms and market.mechanism not in BY_COORDINATOR):
        return "a coordinator has at most an hour, where there is one"
    if len(market.feeders) > FEEDERS_LIMIT:
        return f"a market has at most {FEEDERS_LIMIT} feeders"
    if market.mechanism == TRUTHFUL:
        if not market.surplus_account or market.floor_micro < 0:
            return "truthful leaves something over: it needs an account for it, and prices from 0 on"
        if market.fee_micro and market.fee_account != market.surplus_account:
            return "what is left over goes with the fee: to the same account"
    return ""


def with_wedge(ctx: Context, market: Market, wedge: Wedge) -> list[Wedge]:
    """The latest wedges of a market with this one. Refuses where one price is for all."""
    if market.mechanism in ONE_PRICE:
        raise MarketInvalid(f"{market.mechanism} has one price for all: its fee is the market's")
    if not 0 <= wedge.fee_micro <= LARGEST_PRICE_MICRO or not 0 <= wedge.limit_w <= LARGEST_ENERGY_WH:
        raise MarketInvalid("fee and limit of a wedge are not below zero")
    if wedge.fee_micro and not wedge.account:
        raise MarketInvalid("a fee goes to an account")
    feeders = ctx.call("registry", "area", area=market.area)["feeders"]
    if wedge.from_feeder not in feeders or wedge.to_feeder not in feeders:
        raise MarketInvalid(f"a wedge lies between two feeders of {market.area}")
    if wedge.account:
        ctx.call("identity", "describe", identity=wedge.account)
    pair = (wedge.from_feeder, wedge.to_feeder)
    latest: list[Wedge] = []
    for _, found in ctx.matching("wedges", market.id, type=Wedges, reverse=True):
        latest = found.wedges
        break
    kept = [other for other in latest if (other.from_feeder, other.to_feeder) != pair]
    if len(kept) >= WEDGES_LIMIT:
        raise MarketInvalid(f"a market has at most {WEDGES_LIMIT} wedges")
    return [*kept, wedge]


def pair_of(wedge: Wedge, duration_ms: int, used_wh: int) -> Pair:
    """A wedge as a book knows it: the limit is what the line still carries in a delivery."""
    limit_wh = max(line_wh(wedge.limit_w, duration_ms) - used_wh, 0) if wedge.limit_w else None
    return Pair(
        seller_feeder=wedge.from_feeder,
        buyer_feeder=wedge.to_feeder,
        fee_micro_per_kwh=wedge.fee_micro,
        limit_wh=limit_wh,
    )


def line_wh(power_w: int, duration_ms: int) -> int:
    """What so much power is in a time, whole Wh rounded down."""
    return power_w * duration_ms // HOUR_MS
