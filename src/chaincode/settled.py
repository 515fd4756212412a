"""What settlement keeps: its records, its refusals, its bounds, and the keys under which things are found."""

from chaincode.access import require_staff
from chaincode.api import Context, Record, Refusal
from chaincode.calendar import DAY_MS, HOUR_MS
from chaincode.dated import dated_at
from chaincode.units import MICRO
from chaincode.waterfall import Facts, Progress

COLUMNS = 8
DUE_AT_ONCE = 300
POOL_MEMBERS = 200
WINDOW_MS = 7 * DAY_MS
AHEAD_MS = 366 * DAY_MS
PAGE_ITEMS = 100
DAYS_A_PAGE = 31
CURTAILED_AT_ONCE = 40
POINTS_ROLLED = 16
QUIET_POINTS_ROLLED = 40
LATE_TAKEN = 20
LATE_EVERY_MS = HOUR_MS
TEXT_CHARACTERS = 140

# what a step costs at most, in units, for each point, trade or entry; a call begins no step that would take it
# past its share of the budget
CALL_UNITS = 400_000
FACTS_UNITS = 900
CLASS_UNITS = 700
PAID_UNITS = 700
DONE_UNITS = 900
LATE_DAY_UNITS = 3_000
POSTED_UNITS = 600
FRESH_UNITS = 80_000
PAID_AT_ONCE = 150
DONE_AT_ONCE = 90
STEPS_A_CALL = 400

AGREED = "agreed"
DELIVERING = "delivering"
DONE = "done"
DISPUTED = "disputed"

START = "start"
STOP = "stop"
IN = "in"
OUT = "out"
SENT = "sent"
ACKNOWLEDGED = "acknowledged"
TIMED_OUT = "timed_out"

EXTRAPOLATED = "x"
"""What metering has put in for a reading that never came: it stands nowhere else, so settlement keeps it."""

PAY_FOR_TAKEN = "pay_for_taken"
TAKE_OR_PAY = "take_or_pay"
REVERSE = "reverse"
FORWARD = "forward"

Posted = tuple[str, str, int, int, int, int, int, int, int]
"""A posting, as `waterfall.Settled` has it."""
Done = tuple[int, int, int, int, int, int, int, int, int]
"""A trade that is over: number, delivered, missed, spare, curtailed, seller short, buyer short (mWh), seller pays,
buyer pays (minor)."""

# ---------------------------------------------------------------- records


class Rules(Record):
    """Under `rules`, area, time; what the operator of an area has decided.

    An imbalance price of 0 is the buyer's retail price. `tie_tolerance_micro`: by how much the registers at the
    two ends of a tie may differ.
    """

    grace_ms: int = 60_000
    pool_price_micro: int = 0
    pool_fee_micro: int = 0
    fee_account: str = ""
    imbalance_micro: int = 0
    buyer_short: str = PAY_FOR_TAKEN
    advance_returns: bool = False
    command_wait_ms: int = 30_000
    tie_tolerance_micro: int = 50_000


class Area(Record):
    """Under `area`, id. Every interval before `next_ms` is closed, every day before `rolled_day` rolled up."""

    id: str
    operator: str
    interval_ms: int
    digits: int
    since_ms: int
    next_ms: int
    rolled_day: int
    points: int = 0
    roster_ms: int = 0
    adjustments: int = 0


class Obligation(Record):
    """Under `trade`, number. The market gives what is up to `pledge_minor`; settlement keeps the rest."""

    area: str
    seller_point: str
    buyer_point: str
    seller: str
    buyer: str
    seller_customer: str
    buyer_customer: str
    energy_wh: int
    price_micro: int
    from_ms: int
    until_ms: int
    escrow_minor: int
    fee_micro: int = 0
    fee_account: str = ""
    pledge_minor: int = 0
    trade: int = 0
    matched_ms: int = 0
    seller_feeder: str = ""
    buyer_feeder: str = ""
    tariff: str = ""
    prepaid: bool = False
    status: str = AGREED
    delivered_mwh: int = 0
    missed_mwh: int = 0
    spare_mwh: int = 0
    curtailed_mwh: int = 0
    seller_short_mwh: int = 0
    buyer_short_mwh: int = 0
    seller_paid_minor: int = 0
    buyer_paid_minor: int = 0
    over_ms: int = 0


class Running(Record):
    """How far a trade is whose delivery has begun; sums over the closed intervals, and what its escrows still hold."""

    trade: int
    delivered_mwh: int
    missed_mwh: int
    spare_mwh: int
    escrow_minor: int
    pledge_minor: int
    advanced_mwh: int


class Share(Record):
    """One member of a pool; `until_ms` 0: until it leaves."""

    point: str
    customer: str
    wallet: str
    since_ms: int
    until_ms: int
    purse_minor: int


class Closing(Record):
    """Under `closing`, area: an interval between its facts and its last payment."""

    interval_ms: int
    stage: str
    members: list[tuple[str, str, str, str, bool]]
    facts: list[tuple[int, int, str]]
    sums_mwh: list[int]
    trades: int
    debits: list[tuple[str, str, int]]
    credits: list[tuple[str, int]]
    progress: list[Progress]
    done: list[Done]
    moved_minor: int = 0


class Interval(Record):
    """Under `interval`, area, start. `rows`: the eight columns of `waterfall` for each point."""

    points: list[str]
    rows: list[list[int]]
    remainders_pico: dict[str, int]
    closed_ms: int


class Basis(Record):
    """Under `facts`, area, start: all that decided the interval; `prepaid` are points."""

    facts: Facts
    prepaid: list[str]


class Adjusted(Record):
    """Under `adjusted`, area, start: what an interval comes to after adjustments."""

    rows: list[list[int]]
    postings: list[Posted]


class Day(Record):
    """Under `day`, point, day: the eight columns, by interval. A point that changed its area has two versions."""

    day: int
    columns: list[list[int]]
    version: int


class Taken(Record):
    """Under `taken`, point, day: what late readings have changed, by interval, all adjustments together."""

    import_mwh: list[int]
    export_mwh: list[int]


class Adjustment(Record):
    """Under `adjustment`, point, number. What a late reading has changed of a closed interval.

    `columns_mwh`: the change of the eight columns; `amount_minor`, fee, levy and tax: what the point owes more
    (below zero: gets) for trades and pool. It comes on the next bill.
    """

    number: int
    interval_ms: int
    columns_mwh: list[int]
    amount_minor: int
    fee_minor: int
    levy_minor: int
    tax_minor: int
    posted_ms: int


class Command(Record):
    """Under `command`, number. `device` is the meter that hung at the point when it was sent."""

    number: int
    trade: int
    point: str
    device: str
    action: str
    energy_wh: int
    text: str
    sent_ms: int
    status: str = SENT
    measured_mwh: int = 0
    answered_ms: int = 0


class View(Record):
    """A closed interval with its postings; `adjusted` when late readings have changed it since."""

    interval_ms: int
    points: list[str]
    rows: list[list[int]]
    postings: list[Posted]
    remainders_pico: dict[str, int]
    closed_ms: int
    adjusted: bool


class Reconciliation(Record):
    """Whether an interval adds up: recomputed from its facts, energy by class, money in and out."""

    agrees: bool
    sums_mwh: list[int]
    paid_minor: int
    received_minor: int
    charges_minor: int


# ---------------------------------------------------------------- refusals


class AreaUnknown(Refusal):
    """Nobody has opened this area for settlement."""

    code = "AREA_UNKNOWN"


class AreaOpen(Refusal):
    """The area is open for settlement already."""

    code = "AREA_OPEN"


class AreaBusy(Refusal):
    """An interval of an area has at most 300 trades, its pool 200 members."""

    code = "AREA_BUSY"


class TradeUnknown(Refusal):
    """There is no trade of this number."""

    code = "TRADE_UNKNOWN"


class TradeInvalid(Refusal):
    """A trade, or its escrows, are not what can be settled."""

    code = "TRADE_INVALID"


class TradeOver(Refusal):
    """The trade has ended, or is not disputed."""

    code = "TRADE_OVER"


class NotAParty(Refusal):
    """Only those concerned may do this."""

    code = "NOT_A_PARTY"


class NotDue(Refusal):
    """It is not time yet."""

    code = "NOT_DUE"


class Unbalanced(Refusal):
    """What is taken is not what is given: our own fault."""

    code = "UNBALANCED"


class NotInPool(Refusal):
    """The point is no member of its area's pool, or is one already."""

    code = "NOT_IN_POOL"


class CommandUnknown(Refusal):
    """There is no command of this number."""

    code = "COMMAND_UNKNOWN"


class RulesInvalid(Refusal):
    """A rule is out of range."""

    code = "RULES_INVALID"


# ---------------------------------------------------------------- finding


def pool_of(ctx: Context, area: str) -> list[Share]:
    found: list[Share] | None = ctx.get(ctx.key("pool", area), list[Share])
    return found or []


def postings_of(ctx: Context, area: str, interval_ms: int) -> list[Posted]:
    found: list[Posted] | None = ctx.get(interval_key(ctx, "postings", area, interval_ms), list[Posted])
    assert found is not None, "an interval with rows has postings"
    return found


def running_of(ctx: Context, area: str) -> list[Running]:
    found: list[Running] | None = ctx.get(ctx.key("running", area), list[Running])
    return found or []


def require_rules(ctx: Context, rules: Rules) -> None:
    if rules.pool_price_micro < 0 or rules.pool_fee_micro < 0 or rules.imbalance_micro < 0:
        raise RulesInvalid("prices and fees of a pool, and the imbalance price, are not below zero")
    if not 0 <= rules.grace_ms <= DAY_MS or not 1_000 <= rules.command_wait_ms <= HOUR_MS:
        raise RulesInvalid("grace lasts up to a day, a device has a second to an hour to answer")
    if rules.buyer_short not in (PAY_FOR_TAKEN, TAKE_OR_PAY) or not 0 <= rules.tie_tolerance_micro <= MICRO:
        raise RulesInvalid(f"a buyer's shortfall is {PAY_FOR_TAKEN} or {TAKE_OR_PAY}, a tolerance at most 100 %")
    if rules.fee_account:
        ctx.call("identity", "describe", identity=rules.fee_account)


def rules_at(ctx: Context, area: str, at_ms: int) -> Rules:
    found: Rules | None = dated_at(ctx, "rules", area, at_ms, Rules)
    return Rules() if found is None else found


def may_read(ctx: Context, point: str, scope: str) -> bool:
    allowed: bool = bool(ctx.caller) or ctx.call("registry", "may_read", point=point, scope=scope)
    return allowed


def require_reader(ctx: Context, point: str, scope: str) -> None:
    if not may_read(ctx, point, scope):
        raise NotAParty(f"{scope} of {point} are read by its tenant, its utility and those they let")


def require_operator(ctx: Context, area: str) -> None:
    """Contracts, regulators, and staff of the area's operator."""
    creator = ctx.creator
    if ctx.caller or creator.role == "regulator":
        return
    require_staff(ctx, area_of(ctx, area).operator)


def area_of(ctx: Context, area: str) -> Area:
    found = ctx.get(ctx.key("area", area), Area)
    if found is None:
        raise AreaUnknown(f"nobody has opened {area} for settlement")
    return found


def trade_of(ctx: Context, trade: int) -> Obligation:
    found = ctx.get(trade_key(ctx, trade), Obligation)
    if found is None:
        raise TradeUnknown(f"there is no trade {trade}")
    return found


def command_of(ctx: Context, command: int) -> Command:
    found = ctx.get(command_key(ctx, command), Command)
    if found is None:
        raise CommandUnknown(f"there is no command {command}")
    return found


def boundary_ms(ctx: Context, area: Area) -> int:
    """The next interval boundary; the present one if time stands on it."""
    return -(-ctx.time_ms // area.interval_ms) * area.interval_ms


def distinct(names: list[str]) -> list[str]:
    in_order = sorted(names)
    return [name for place, name in enumerate(in_order) if not place or name != in_order[place - 1]]


def trade_key(ctx: Context, trade: int) -> str:
    return ctx.key("trade", number_text(trade))


def command_key(ctx: Context, command: int) -> str:
    return ctx.key("command", number_text(command))


def delivering_key(ctx: Context, trade: Obligation) -> str:
    return ctx.key("delivering", trade.area, time_text(trade.matched_ms), number_text(trade.trade))


def advance_key(ctx: Context, trade: int) -> str:
    return ctx.key("advance", number_text(trade))


def interval_key(ctx: Context, kind: str, area: str, interval_ms: int) -> str:
    return ctx.key(kind, area, time_text(interval_ms))


def day_key(ctx: Context, point: str, day: int) -> str:
    return ctx.key("day", point, f"{day:06d}")


def number_text(number: int) -> str:
    return f"{number:012d}"


def time_text(time_ms: int) -> str:
    return f"{time_ms:015d}"
