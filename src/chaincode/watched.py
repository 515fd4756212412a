"""Watched: what is kept of a feeder, the refusals of `feeder`, and how its records are found.

Every record says under which key it stands; `feeder` says what the things are.
"""

from chaincode.api import Context, Record, Refusal
from chaincode.dated import dated_at
from chaincode.samples import Load
from chaincode.units import LARGEST, MICRO

PAGE_ITEMS = 100

# ---------------------------------------------------------------- records


class Rules(Record):
    """Under `rules`, feeder, dated. `persist`: so many values in a row open an alert, or clear it; of loading and
    reverse flow the first one opens. `loss_limit_micro`: of all that goes into the feeder.
    """

    grace_ms: int = 60_000
    wait_ms: int = 6 * 3_600_000
    loss_limit_micro: int = 50_000
    persist: int = 3
    hysteresis_micro: int = 100_000
    class_micro: int = 10_000
    head_class_micro: int = 5_000
    skew_ms: int = 5_000
    resistance_milliohm: int = 0
    overload_micro: int = 1_000_000
    voltage_band_micro: int = 100_000
    temperature_limit_milli: int = 90_000
    rise_milli: int = 23_000
    distortion_limit_micro: int = 80_000
    suspect_micro: int = 250_000
    future_ms: int = 60_000
    fresh_ms: int = 300_000
    halt_ms: int = 3_600_000
    curtail_every_ms: int = 60_000


class Watch(Record):
    """Under `watch/`, feeder. Every interval before `next_ms` is reported."""

    feeder: str
    operator: str
    transformer: str
    interval_ms: int
    since_ms: int
    next_ms: int


class Report(Record, kw_only=True):
    """Under `report/`, feeder, interval. What is not known is null. `state` is the least of its readings' states.

    `load_factor_micro` is that of its UTC day so far; without a power factor, loading is that of the power alone.
    """

    interval_ms: int
    state: str
    houses: int
    import_mwh: int | None = None
    export_mwh: int | None = None
    generation_mwh: int | None = None
    consumption_mwh: int | None = None
    self_mwh: int | None = None
    pool_mwh: int | None = None
    surplus_mwh: int | None = None
    deficit_mwh: int | None = None
    supply_mwh: int | None = None
    loss_mwh: int | None = None
    technical_mwh: int | None = None
    non_technical_mwh: int | None = None
    uncertainty_mwh: int | None = None
    fault: bool = False
    apparent_mva: int | None = None
    loading_micro: int | None = None
    load_factor_micro: int | None = None
    load: Load
    made_ms: int


class Share(Record):
    """What a house made, used, used of its own, gave to the pool and took from it, by the source's allocation."""

    premises: str
    generation_mwh: int
    consumption_mwh: int
    self_mwh: int
    given_mwh: int
    taken_mwh: int


class Summary(Record):
    """Some intervals together. A sum is null where one of its parts is unknown."""

    from_ms: int
    until_ms: int
    intervals: int
    generation_mwh: int | None
    consumption_mwh: int | None
    self_mwh: int | None
    surplus_mwh: int | None
    deficit_mwh: int | None
    supply_mwh: int | None
    loss_mwh: int | None
    technical_mwh: int | None
    non_technical_mwh: int | None
    loading_micro: int | None
    load_factor_micro: int | None


class Loads(Record):
    """Under `day/`, feeder, day."""

    count: int = 0
    sum_mva: int = 0
    peak_mva: int = 0


class Alert(Record):
    """Under `alert/`, feeder, kind. `value` and `limit` as they were last; `times`: how often it has opened."""

    kind: str
    open: bool = False
    run: int = 0
    value: int = 0
    limit: int = 0
    opened_ms: int = 0
    cleared_ms: int = 0
    times: int = 0


class Hold(Record):
    """Under `hold/`, feeder, direction: for which alerts, until when unless renewed, when last curtailed."""

    kinds: list[str]
    until_ms: int
    curtailed_ms: int


class Carried(Record):
    """Under `carried/`, transformer, feeder."""

    time_ms: int
    power_mw: int
    apparent_mva: int


class Roster(Record):
    """Under `roster/`, feeder: the premises of each point, '' of a head."""

    premises: dict[str, str]


class Gathering(Record):
    """Under `gathering/`, feeder, interval: what has been read of it so far."""

    interval_ms: int
    begun_ms: int
    places: list[tuple[str, str]]
    rows: list[tuple[int, int, str]]


class Observed(Record):
    """What became of a batch of samples."""

    taken: int
    known: int
    last_ms: int


class Headroom(Record):
    """W more that may flow into the feeder, and back from it; null: there is no fresh sample."""

    forward_w: int | None
    reverse_w: int | None


class Suspect(Record):
    """A point whose meter may not tell all. `missing_micro`: lost for each kWh it shows, if it is the one."""

    point: str
    hints: list[str]
    correlation_micro: int
    missing_micro: int
    tampers: int


# ---------------------------------------------------------------- refusals


class FeederUnknown(Refusal):
    """This feeder is not watched."""

    code = "FEEDER_UNKNOWN"


class AlreadyWatched(Refusal):
    """This feeder is watched."""

    code = "ALREADY_WATCHED"


class NotTheHead(Refusal):
    """A feeder is observed by the meter at its head, or the gateway of its transformer."""

    code = "NOT_THE_HEAD"


class NotReported(Refusal):
    """There is no report of this interval."""

    code = "NOT_REPORTED"


class NotDue(Refusal):
    """The next interval is not over, or its timer is on time."""

    code = "NOT_DUE"


class OutOfRange(Refusal):
    """A number or span is not what it can be."""

    code = "OUT_OF_RANGE"


class NotYours(Refusal):
    """This is read by the feeder's operator, regulators, and whom it concerns."""

    code = "NOT_YOURS"


# ---------------------------------------------------------------- finding


def report_key(feeder: str, interval_ms: int) -> str:
    return f"report/{feeder}/{interval_ms:015d}"


def shares_key(feeder: str, interval_ms: int) -> str:
    return f"shares/{feeder}/{interval_ms:015d}"


def window_key(feeder: str, interval_ms: int) -> str:
    return f"window/{feeder}/{interval_ms:015d}"


def gathering_key(feeder: str, interval_ms: int) -> str:
    return f"gathering/{feeder}/{interval_ms:015d}"


def hold_key(feeder: str, direction: str) -> str:
    return f"hold/{feeder}/{direction}"


def hold_of(ctx: Context, feeder: str, direction: str) -> Hold:
    return ctx.get(hold_key(feeder, direction), Hold) or Hold(kinds=[], until_ms=0, curtailed_ms=0)


def watch_of(ctx: Context, feeder: str) -> Watch:
    found = ctx.get("watch/" + feeder, Watch)
    if found is None:
        raise FeederUnknown(f"{feeder} is not watched")
    return found


def report_of(ctx: Context, feeder: str, interval_ms: int) -> Report:
    found = ctx.get(report_key(feeder, interval_ms), Report)
    if found is None:
        raise NotReported(f"there is no report of the interval {interval_ms}")
    return found


def shares_of(ctx: Context, feeder: str, interval_ms: int) -> list[Share]:
    found = ctx.get(shares_key(feeder, interval_ms), list[tuple[str, int, int, int, int, int]])
    if found is None:
        raise NotReported(f"there is no allocation of the interval {interval_ms}")
    return [
        Share(
            premises=premises,
            generation_mwh=made,
            consumption_mwh=used,
            self_mwh=own,
            given_mwh=given,
            taken_mwh=taken,
        )
        for premises, made, used, own, given, taken in found
    ]


def rules_of(ctx: Context, feeder: str, time_ms: int) -> Rules:
    found: Rules | None = dated_at(ctx, "rules", feeder, time_ms, Rules)
    return found or Rules()


def require_rules(rules: Rules) -> None:
    """Refuses rules that are below zero or beyond what numbers hold, and limits that could not clear."""
    times_ms = (rules.grace_ms, rules.wait_ms, rules.skew_ms, rules.future_ms, rules.fresh_ms, rules.halt_ms)
    shares_micro = (rules.loss_limit_micro, rules.class_micro, rules.head_class_micro, rules.voltage_band_micro)
    others = (rules.resistance_milliohm, rules.temperature_limit_milli, rules.rise_milli, rules.distortion_limit_micro)
    if not all(0 <= number <= LARGEST for number in (*times_ms, *shares_micro, *others, rules.curtail_every_ms)):
        raise OutOfRange("a rule is not below zero")
    if not all(number <= MICRO for number in (*shares_micro, rules.hysteresis_micro, rules.suspect_micro)):
        raise OutOfRange("a share is at most the whole")
    if rules.hysteresis_micro < 0 or rules.suspect_micro < 0 or not 1 <= rules.persist <= PAGE_ITEMS:
        raise OutOfRange("an alert opens after 1 to 100 values, and clears below its limit")
    if not 0 < rules.overload_micro <= 10 * MICRO:
        raise OutOfRange("the loading that is allowed is above zero, and at most ten times the rating")


def require_reader(ctx: Context, feeder: str) -> None:
    """Contracts, regulators, and who works for the feeder's operator; a feeder may have one house."""
    creator = ctx.creator
    if ctx.caller or creator.role == "regulator":
        return
    operator = watch_of(ctx, feeder).operator
    if creator.role not in ("admin", "operator", "gateway") or creator.organisation != operator:
        raise NotYours(f"this is read by staff of {operator}, and regulators")
