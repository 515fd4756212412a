"""Feeder: what flowed on it, what got lost, how its transformer fares, and when deliveries must stop. Moves no money.

    watch       a feeder whose operator has it watched: up to where it is reported
    report      one interval: made, used, shared, supplied, lost, and how heavily loaded (all mWh, mVA, micro)
    shares      the same by premises: the source's allocation, which pays nobody
    sample      what the transformer's meter said last: phases, voltages, temperature, ageing
    window      samples of an interval that is not reported yet, added up
    day         loads of a UTC day so far, for the load factor
    alert       one kind of trouble of a feeder: open or not
    hold        a direction in which deliveries are halted, and for which alerts
    carried     what each feeder of a transformer loads it with
    sums        what suspicion is drawn from
    roster      the points of a feeder and their premises; gathering: an interval half read

Rules it keeps:

* loss is T + sum X - sum I, and known only where every meter covers the interval; else unknown, never guessed;
* a fault is only a loss below -u; technical and non-technical loss stand apart;
* an alert opens once and clears once, however long the trouble lasts; unknown intervals say nothing;
* loading or reverse flow above the limit halts new deliveries and curtails running ones, the newest first, as long
  as it lasts; both by timers of their own, so that neither waits for the other, nor a report for either;
* old samples are kept, and stop nothing;
* the allocation is a report: settlement alone classes energy;
* what concerns one house is read by whom its tenant lets; hints of theft by the operator and regulators alone.

At the head of a feeder import is what flows into the feeder, T = import - export; so is power above zero.
`samples` says what a sample is.

Roles: staff of the feeder's operator watch it, propose, approve, renew; the head's meter or the transformer's gateway
observes; timers report and act. Events: FeederWatched, FeederReported, ReportRenewed, AlertOpened, AlertCleared,
DeliveriesHalted, DeliveriesCurtailed, DeliveriesResumed, RulesChanged; Proposed, Approved, Withdrawn.
"""

from typing import Any

from chaincode.access import require_direct, require_staff
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.balance import House, allocate, losses, mean_power, technical_loss, uncertainty
from chaincode.dated import dated_at, put_dated
from chaincode.health import (
    Standing,
    deviation,
    excess_w,
    headroom_w,
    load_factor,
    loading,
    reverse_stress,
    step,
    stress,
)
from chaincode.samples import Load, Sample, Window, apparent_of, load_of, require_samples, sampled, widened
from chaincode.suspicion import Sums, added, fallen, follows, no_sums
from chaincode.units import LARGEST, MICRO, MWH_PER_WH

DAY_MS = 86_400_000
POINTS_A_STEP = 200
PAGE_ITEMS = 100
SUMMED_INTERVALS = 96
GATHERED_WITHIN_MS = 600_000
TAMPERED_MS = 30 * DAY_MS

CONNECTION = "connection"
GENERATION = "generation"
HOUSES = (CONNECTION, GENERATION)
MEASURED = ("d", "g")
NOTHING = "-"
ABSENT = "n"
"""No meter hung at the head."""
REPLACED_SINCE = 5

FORWARD = "forward"
REVERSE = "reverse"
DIRECTIONS = (FORWARD, REVERSE)

LOSS = "loss"
FAULT = "fault"
OVERLOAD = "overload"
REVERSE_FLOW = "reverse_flow"
VOLTAGE_LOW = "voltage_low"
VOLTAGE_HIGH = "voltage_high"
HIGH_VOLTAGE = "high_voltage"
TEMPERATURE = "temperature"
DISTORTION = "distortion"
KINDS = (DISTORTION, FAULT, HIGH_VOLTAGE, LOSS, OVERLOAD, REVERSE_FLOW, TEMPERATURE, VOLTAGE_HIGH, VOLTAGE_LOW)

FOLLOWS = "follows"
FALLEN = "fallen"
TAMPERED = "tampered"

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


# ---------------------------------------------------------------- the contract


class Feeder(Contract):
    name = "feeder"
    version = "1.0.0"

    # ------------------------------------------------------------ what the operator decides

    @transaction
    def watch(self, ctx: Context, feeder: str) -> Watch:
        """Report a feeder from the next boundary on; staff of its operator. Refuses a second time."""
        found = ctx.call("registry", "feeder", feeder=feeder)
        require_staff(ctx, found["operator"])
        transformer = ctx.call("registry", "transformer", transformer=found["transformer"])
        if not (transformer["rating_va"] and transformer["low_mv"] and transformer["high_mv"]):
            raise OutOfRange("what is watched has a rating and nominal voltages")
        if ctx.get("watch/" + feeder, Watch) is not None:
            raise AlreadyWatched(f"{feeder} is watched")
        interval_ms = ctx.call("registry", "ground")["interval_ms"]
        since_ms = -(-ctx.time_ms // interval_ms) * interval_ms
        begun = Watch(
            feeder=feeder,
            operator=found["operator"],
            transformer=found["transformer"],
            interval_ms=interval_ms,
            since_ms=since_ms,
            next_ms=since_ms,
        )
        ctx.put("watch/" + feeder, begun)
        ctx.schedule("report/" + feeder, since_ms + interval_ms + Rules().grace_ms, "make_report", feeder=feeder)
        ctx.emit("FeederWatched", feeder=feeder, operator=begun.operator, since_ms=since_ms)
        return begun

    @transaction
    def propose_rules(self, ctx: Context, feeder: str, from_ms: int, rules: Rules) -> str:
        """Other rules for a feeder from a time on. Answers the proposal to approve."""
        require_rules(rules)
        operator = watch_of(ctx, feeder).operator
        return propose(ctx, "rules", operator, {"feeder": feeder, "from_ms": from_ms, "rules": rules})

    @transaction
    def approve(self, ctx: Context, proposal: str) -> None:
        """Carry out what another of the staff has proposed."""
        require_direct(ctx)
        values = approved(ctx, proposal).values
        put_dated(ctx, "rules", values["feeder"], values["from_ms"], values["rules"])
        ctx.emit("RulesChanged", feeder=values["feeder"], from_ms=values["from_ms"])

    @transaction
    def withdraw(self, ctx: Context, proposal: str) -> None:
        """Take back what waits for approval."""
        withdrawn(ctx, proposal)

    # ------------------------------------------------------------ samples

    @transaction(roles=("meter", "gateway"), items="rows")
    def observe(self, ctx: Context, feeder: str, rows: list[list[int | None]]) -> Observed:
        """Take samples of a feeder's transformer, oldest first; those not later than the last one are known."""
        require_direct(ctx)
        watch = watch_of(ctx, feeder)
        found = ctx.call("registry", "feeder", feeder=feeder)
        transformer = ctx.call("registry", "transformer", transformer=watch.transformer)
        require_head(ctx, found, transformer)
        rules = rules_of(ctx, feeder, ctx.time_ms)
        require_samples(rows, ctx.time_ms + rules.future_ms)
        last = ctx.get("sample/" + feeder, Sample)
        fresh = [row for row in rows if last is None or (row[0] or 0) > last.time_ms]
        before = alerts_of(ctx, feeder)
        alerts = dict(before)
        windows: dict[int, Window] = {}
        for row in fresh:
            last = sampled(row, last, transformer["rating_va"], rules.rise_milli)
            judge_sample(ctx, watch, alerts, last, transformer, rules)
            start_ms = last.time_ms // watch.interval_ms * watch.interval_ms
            if start_ms >= watch.next_ms:
                window = windows.get(start_ms) or ctx.get(window_key(feeder, start_ms), Window) or Window()
                windows[start_ms] = widened(window, last)
        for start_ms, window in windows.items():
            ctx.put(window_key(feeder, start_ms), window)
        if last is not None and fresh:
            ctx.put("sample/" + feeder, last)
            if last.time_ms >= ctx.time_ms - rules.fresh_ms:
                shared = carried(ctx, watch, last.time_ms, last.power_mw, last.apparent_mva, rules)
                guard(ctx, watch, alerts, found, transformer, last.power_mw, shared, rules)
        keep_alerts(ctx, feeder, before, alerts)
        return Observed(taken=len(fresh), known=len(rows) - len(fresh), last_ms=0 if last is None else last.time_ms)

    # ------------------------------------------------------------ reports

    @transaction
    def make_report(self, ctx: Context, feeder: str) -> Report | None:
        """Report the next interval, when every meter has covered it or it is over long enough; 200 points a call.

        By timer; by anyone when the timer is late. Refuses when nothing is due.
        """
        watch = watch_of(ctx, feeder)
        rules = rules_of(ctx, feeder, watch.next_ms)
        over_ms = watch.next_ms + watch.interval_ms
        if ctx.creator.role != "timer":
            require_direct(ctx)
            if ctx.time_ms < over_ms + rules.grace_ms + 2 * watch.interval_ms:
                raise NotDue("the timer reports this interval")
        gathered = gather(ctx, feeder, watch.next_ms)
        if len(gathered.rows) < len(gathered.places):
            ctx.put(gathering_key(feeder, watch.next_ms), gathered)
            ctx.schedule("report/" + feeder, ctx.time_ms, "make_report", feeder=feeder)
            return None
        ctx.delete(gathering_key(feeder, watch.next_ms))
        if not covered(gathered) and ctx.time_ms < over_ms + rules.wait_ms:
            again_ms = min(ctx.time_ms + watch.interval_ms, over_ms + rules.wait_ms)
            ctx.schedule("report/" + feeder, again_ms, "make_report", feeder=feeder)
            return None
        report = written(ctx, watch, gathered, rules, first=True)
        next_ms = over_ms
        ctx.put("watch/" + feeder, watch.replace(next_ms=next_ms))
        due_ms = next_ms + watch.interval_ms + rules_of(ctx, feeder, next_ms).grace_ms
        ctx.schedule("report/" + feeder, max(due_ms, ctx.time_ms), "make_report", feeder=feeder)
        return report

    @transaction
    def renew(self, ctx: Context, feeder: str, interval_ms: int) -> Report | None:
        """Report an interval anew from what readings say now, as when late ones have come; staff of the operator.

        Null when it takes another call: 200 points each. Alerts stay as they were.
        """
        watch = watch_of(ctx, feeder)
        require_staff(ctx, watch.operator)
        report_of(ctx, feeder, interval_ms)
        gathered = gather(ctx, feeder, interval_ms)
        if len(gathered.rows) < len(gathered.places):
            ctx.put(gathering_key(feeder, interval_ms), gathered)
            return None
        ctx.delete(gathering_key(feeder, interval_ms))
        return written(ctx, watch, gathered, rules_of(ctx, feeder, interval_ms), first=False)

    # ------------------------------------------------------------ what the alerts of load and reverse flow make happen

    @transaction(roles=("timer",))
    def halt_deliveries(self, ctx: Context, feeder: str, direction: str, until_ms: int) -> None:
        """Let the market match nothing more in this direction for a while."""
        ctx.call("market", "halt", feeder=feeder, direction=direction, until_ms=until_ms)
        ctx.emit("DeliveriesHalted", feeder=feeder, direction=direction, until_ms=until_ms)

    @transaction(roles=("timer",))
    def curtail_deliveries(self, ctx: Context, feeder: str, direction: str, power_w: int) -> list[int]:
        """Let settlement stop running deliveries, the newest first, until so much power is off."""
        stopped: list[int] = ctx.call("settlement", "curtail", feeder=feeder, direction=direction, power_w=power_w)
        ctx.emit("DeliveriesCurtailed", feeder=feeder, direction=direction, power_w=power_w, trades=stopped)
        return stopped

    @transaction(roles=("timer",))
    def resume_deliveries(self, ctx: Context, feeder: str, direction: str) -> None:
        """Let the market match again."""
        ctx.call("market", "resume", feeder=feeder, direction=direction)
        ctx.emit("DeliveriesResumed", feeder=feeder, direction=direction)

    # ------------------------------------------------------------ reading

    @query
    def watched(self, ctx: Context, feeder: str) -> Watch:
        return watch_of(ctx, feeder)

    @query
    def rules(self, ctx: Context, feeder: str, time_ms: int) -> Rules:
        return rules_of(ctx, feeder, time_ms)

    @query
    def report(self, ctx: Context, feeder: str, interval_ms: int) -> Report:
        require_reader(ctx, feeder)
        return report_of(ctx, feeder, interval_ms)

    @query
    def reports(self, ctx: Context, feeder: str, after_ms: int = -1, size: int = PAGE_ITEMS) -> list[Report]:
        """Reports in order of time, from the one after an interval on."""
        require_reader(ctx, feeder)
        if not 1 <= size <= PAGE_ITEMS:
            raise OutOfRange(f"a page has 1 to {PAGE_ITEMS} reports")
        page = ctx.page(report_key(feeder, after_ms + 1), f"report/{feeder}0", size=size, type=Report)
        return [report for _, report in page.items]

    @query
    def summary(self, ctx: Context, feeder: str, from_ms: int, until_ms: int) -> Summary:
        """At most 96 intervals together, from one time to another (not included)."""
        require_reader(ctx, feeder)
        if not 0 <= from_ms < until_ms:
            raise OutOfRange("a summary begins before it ends")
        found: list[Report] = []
        for _, report in ctx.range(report_key(feeder, from_ms), report_key(feeder, until_ms), type=Report):
            if len(found) == SUMMED_INTERVALS:
                raise OutOfRange(f"a summary has at most {SUMMED_INTERVALS} intervals")
            found.append(report)
        if not found:
            raise NotReported("there is no report of this time")
        rating_va = ctx.call("registry", "transformer", transformer=watch_of(ctx, feeder).transformer)["rating_va"]
        return summed(from_ms, until_ms, found, rating_va)

    @query
    def shares(self, ctx: Context, feeder: str, interval_ms: int) -> list[Share]:
        """The source's allocation by premises; for the operator and regulators."""
        require_reader(ctx, feeder)
        return shares_of(ctx, feeder, interval_ms)

    @query
    def share(self, ctx: Context, feeder: str, point: str, interval_ms: int) -> Share:
        """That of one house; for whoever may read its readings."""
        if not ctx.caller and not ctx.call("registry", "may_read", point=point, scope="readings"):
            raise NotYours(f"what concerns {point} is read by its tenant, its utility, and whom they let")
        premises = ctx.call("registry", "point", point=point)["premises"]
        for share in shares_of(ctx, feeder, interval_ms):
            if share.premises == premises:
                return share
        raise NotReported("this house was not on the feeder in this interval")

    @query
    def alerts(self, ctx: Context, feeder: str, only_open: bool = False) -> list[Alert]:
        """What has been wrong, by kind, and whether it still is."""
        require_reader(ctx, feeder)
        return [alert for alert in alerts_of(ctx, feeder).values() if alert.times and (alert.open or not only_open)]

    @query
    def health(self, ctx: Context, feeder: str) -> Sample | None:
        """The last sample, and what it means; null before the first."""
        require_reader(ctx, feeder)
        watch_of(ctx, feeder)
        return ctx.get("sample/" + feeder, Sample)

    @query
    def headroom(self, ctx: Context, feeder: str) -> Headroom:
        """How much more may flow; for contracts that plan deliveries between feeders, the operator and regulators."""
        require_reader(ctx, feeder)
        watch, rules = watch_of(ctx, feeder), rules_of(ctx, feeder, ctx.time_ms)
        last = ctx.get("sample/" + feeder, Sample)
        if last is None or last.time_ms < ctx.time_ms - rules.fresh_ms:
            return Headroom(forward_w=None, reverse_w=None)
        found = ctx.call("registry", "feeder", feeder=feeder)
        rating_va = ctx.call("registry", "transformer", transformer=watch.transformer)["rating_va"]
        allowed_w = rating_va * rules.overload_micro // MICRO
        forward_w = min(allowed_w, found["limit_w"] or allowed_w)
        reverse_w = min(allowed_w, found["reverse_limit_w"] or allowed_w)
        return Headroom(forward_w=headroom_w(last.power_mw, forward_w), reverse_w=headroom_w(-last.power_mw, reverse_w))

    @query
    def suspects(self, ctx: Context, feeder: str, after: str = "") -> list[Suspect]:
        """Points whose meters may not tell all, of a hundred from the one after `after` on; hints, not proof.

        `follows`: while too much is lost, the loss follows what this meter shows. `fallen`: while too much is
        lost, it shows far less than it did. `tampered`: it has noticed tampering in the last 30 days.
        """
        require_reader(ctx, feeder)
        rules = rules_of(ctx, feeder, ctx.time_ms)
        losing = alerts_of(ctx, feeder)[LOSS].open
        sums = ctx.get("sums/" + feeder, Sums) or no_sums()
        points = [point for point in sorted(sums.houses) if point > after][:PAGE_ITEMS]
        suspects: list[Suspect] = []
        for point in points:
            hints: list[str] = []
            correlation_micro, missing_micro = follows(sums, point)
            if losing and correlation_micro >= rules.suspect_micro:
                hints.append(FOLLOWS)
            if losing and fallen(sums, point):
                hints.append(FALLEN)
            tampers = 0
            for tamper in ctx.call("metering", "tampers", point=point):
                tampers += tamper["time_ms"] >= ctx.time_ms - TAMPERED_MS
            if tampers:
                hints.append(TAMPERED)
            if hints:
                suspect = Suspect(
                    point=point,
                    hints=hints,
                    correlation_micro=correlation_micro,
                    missing_micro=missing_micro,
                    tampers=tampers,
                )
                suspects.append(suspect)
        return suspects

    @query
    def proposals(self, ctx: Context, organisation: str) -> list[Proposal]:
        """What waits for a second person; for the organisation's staff."""
        require_staff(ctx, organisation)
        return proposals_of(ctx, organisation)


# ---------------------------------------------------------------- an interval's readings


def gather(ctx: Context, feeder: str, interval_ms: int) -> Gathering:
    """Read an interval of the feeder's points, 200 more than were read before."""
    found = ctx.get(gathering_key(feeder, interval_ms), Gathering)
    if found is None or found.begun_ms < ctx.time_ms - GATHERED_WITHIN_MS:
        places = ctx.call("registry", "on_feeder", feeder=feeder, interval_ms=interval_ms)
        found = Gathering(
            interval_ms=interval_ms,
            begun_ms=ctx.time_ms,
            places=[(kind, point) for kind, point in places],
            rows=[],
        )
    points = [point for _, point in found.places[len(found.rows) : len(found.rows) + POINTS_A_STEP]]
    if not points:
        return found
    roster = ctx.get("roster/" + feeder, Roster) or Roster(premises={})
    new = [point for point in points if point not in roster.premises]
    if new:
        premises = dict(roster.premises)
        for point in new:
            premises[point] = ctx.call("registry", "point", point=point)["premises"]
        roster = Roster(premises=premises)
        ctx.put("roster/" + feeder, roster)
    rows: list[tuple[int, int, str]] = []
    answer = ctx.call("metering", "rows", points=points, interval_ms=interval_ms)
    for point, (imported, exported, state) in zip(points, answer, strict=True):
        if roster.premises[point] == "":
            state_now = state if was_hung(ctx, point, interval_ms) else ABSENT
        elif state == NOTHING and not ctx.call("registry", "point", point=point)["meter"]:
            state_now = MEASURED[0]  # nobody lives behind a house's connection without a meter: nothing flows
        else:
            state_now = state
        rows.append((imported, exported, state_now))
    return found.replace(rows=[*found.rows, *rows])


def was_hung(ctx: Context, head: str, interval_ms: int) -> bool:
    """Whether a meter hung at a feeder's head from an interval's start on: without one supply is unknown, not zero."""
    meter, since_ms = ctx.call("registry", "point", point=head)["meter"], 0
    for _ in range(REPLACED_SINCE):
        if not meter:
            return False
        device = ctx.call("registry", "meter", meter=meter)
        if since_ms and device["removed_ms"] < since_ms:
            return False
        if device["installed_ms"] <= interval_ms:
            return True
        meter, since_ms = device["predecessor"], device["installed_ms"]
    return False


def covered(gathered: Gathering) -> bool:
    """Whether every meter there is has measured the interval."""
    return all(state in MEASURED or state == ABSENT for _, _, state in gathered.rows)


def least(states: list[str]) -> str:
    """The state of which least is known: - before e before g before d."""
    for state in (NOTHING, "e", "g"):
        if state in states:
            return state
    return MEASURED[0]


def houses_of(ctx: Context, feeder: str, gathered: Gathering) -> tuple[list[str], list[House]]:
    """The feeder's houses by premises, with what their connections and generation meters counted."""
    roster = ctx.get("roster/" + feeder, Roster) or Roster(premises={})
    houses: dict[str, House] = {}
    for (kind, point), (imported, exported, _) in zip(gathered.places, gathered.rows, strict=True):
        if kind not in HOUSES:
            continue
        premises = roster.premises[point]
        house = houses.get(premises) or House(import_mwh=0, export_mwh=0)
        if kind == GENERATION:
            house = house.replace(generation_mwh=(house.generation_mwh or 0) + exported)
        else:
            house = house.replace(import_mwh=house.import_mwh + imported, export_mwh=house.export_mwh + exported)
        houses[premises] = house
    names = sorted(houses)
    return names, [houses[name] for name in names]


# ---------------------------------------------------------------- a report


def written(ctx: Context, watch: Watch, gathered: Gathering, rules: Rules, first: bool) -> Report:
    """Make an interval's report and keep it; the first time it also moves alerts, the day's loads and suspicion."""
    feeder, interval_ms = watch.feeder, gathered.interval_ms
    found = ctx.call("registry", "feeder", feeder=feeder)
    transformer = ctx.call("registry", "transformer", transformer=watch.transformer)
    old = None if first else report_of(ctx, feeder, interval_ms)
    report = Report(
        interval_ms=interval_ms,
        state=least([state for _, _, state in gathered.rows]),
        houses=0,
        load=load_in(ctx, watch, found, interval_ms) if old is None else old.load,
        load_factor_micro=None if old is None else old.load_factor_micro,
        made_ms=ctx.time_ms,
    )
    of_houses = [
        state for (kind, _), (_, _, state) in zip(gathered.places, gathered.rows, strict=True) if kind in HOUSES
    ]
    if NOTHING not in of_houses:
        report = with_allocation(ctx, watch, gathered, report)
    report = with_supply(gathered, report, watch, found, transformer)
    if covered(gathered):
        report = with_losses(gathered, report, watch, found, transformer, rules)
    if old is None:
        report = moved_by(ctx, watch, gathered, report, found, transformer, rules)
        ctx.delete(window_key(feeder, interval_ms))
    ctx.put(report_key(feeder, interval_ms), report)
    ctx.emit(
        "FeederReported" if old is None else "ReportRenewed",
        feeder=feeder,
        interval_ms=interval_ms,
        state=report.state,
        generation_mwh=report.generation_mwh,
        consumption_mwh=report.consumption_mwh,
        supply_mwh=report.supply_mwh,
        loss_mwh=report.loss_mwh,
        loading_micro=report.loading_micro,
    )
    return report


def with_allocation(ctx: Context, watch: Watch, gathered: Gathering, report: Report) -> Report:
    """What houses made, used and could share; their parts are kept beside it."""
    names, houses = houses_of(ctx, watch.feeder, gathered)
    made = allocate(houses)
    columns = (made.generation_mwh, made.consumption_mwh, made.self_mwh, made.given_mwh, made.taken_mwh)
    ctx.put(shares_key(watch.feeder, report.interval_ms), list(zip(names, *columns, strict=True)))
    return report.replace(
        houses=len(names),
        import_mwh=sum([house.import_mwh for house in houses]),
        export_mwh=sum([house.export_mwh for house in houses]),
        generation_mwh=sum(made.generation_mwh),
        consumption_mwh=sum(made.consumption_mwh),
        self_mwh=sum(made.self_mwh),
        pool_mwh=made.pool_mwh,
        surplus_mwh=made.surplus_mwh,
        deficit_mwh=made.deficit_mwh,
    )


def with_supply(
    gathered: Gathering, report: Report, watch: Watch, found: dict[str, Any], transformer: dict[str, Any]
) -> Report:
    """T and what it loads the transformer with, where the head's meter has covered the interval."""
    for (_, point), (imported, exported, state) in zip(gathered.places, gathered.rows, strict=True):
        if point == found["head"] and state in MEASURED:
            power_mw = mean_power(imported - exported, watch.interval_ms)
            apparent_mva = apparent_of(power_mw, report.load)
            return report.replace(
                supply_mwh=imported - exported,
                apparent_mva=apparent_mva,
                loading_micro=loading(apparent_mva, transformer["rating_va"]),
            )
    return report


def with_losses(
    gathered: Gathering,
    report: Report,
    watch: Watch,
    found: dict[str, Any],
    transformer: dict[str, Any],
    rules: Rules,
) -> Report:
    """What got lost, once every meter has covered the interval; nothing where no meter is at the head."""
    if report.supply_mwh is None or report.apparent_mva is None:
        return report
    imports: list[int] = []
    exports: list[int] = []
    head_passed_mwh = 0
    for (kind, point), (imported, exported, _) in zip(gathered.places, gathered.rows, strict=True):
        if kind == CONNECTION:
            imports.append(imported)
            exports.append(exported)
        elif point == found["head"]:
            head_passed_mwh = imported + exported
    made = losses(
        report.supply_mwh,
        imports,
        exports,
        technical_loss(
            max(report.load.root_mean_square_mva, report.apparent_mva),
            rules.resistance_milliohm,
            transformer["low_mv"],
            found["phases"],
            watch.interval_ms,
        ),
        uncertainty(
            sum(imports) + sum(exports),
            head_passed_mwh,
            rules.class_micro,
            rules.head_class_micro,
            rules.skew_ms,
            watch.interval_ms,
        ),
    )
    return report.replace(
        loss_mwh=made.loss_mwh,
        technical_mwh=made.technical_mwh,
        non_technical_mwh=made.non_technical_mwh,
        uncertainty_mwh=made.uncertainty_mwh,
        fault=made.fault,
    )


def moved_by(
    ctx: Context,
    watch: Watch,
    gathered: Gathering,
    report: Report,
    found: dict[str, Any],
    transformer: dict[str, Any],
    rules: Rules,
) -> Report:
    """What a new report changes beside itself: the day's loads, alerts, suspicion. The report, with its load factor."""
    feeder, apparent_mva = watch.feeder, report.apparent_mva
    before = alerts_of(ctx, feeder)
    alerts = dict(before)
    if apparent_mva is not None:
        key = f"day/{feeder}/{report.interval_ms // DAY_MS:08d}"
        day = ctx.get(key, Loads) or Loads()
        day = Loads(
            count=day.count + 1,
            sum_mva=day.sum_mva + apparent_mva,
            peak_mva=max(day.peak_mva, apparent_mva, report.load.peak_mva),
        )
        ctx.put(key, day)
        report = report.replace(load_factor_micro=load_factor(day.sum_mva // day.count, day.peak_mva))
        over_ms = report.interval_ms + watch.interval_ms
        if not report.load.peak_mva and ctx.time_ms <= over_ms + watch.interval_ms and report.supply_mwh is not None:
            # nobody samples this head: its mean power is all there is to guard by
            power_mw = mean_power(report.supply_mwh, watch.interval_ms)
            shared = carried(ctx, watch, over_ms, power_mw, apparent_mva, rules)
            guard(ctx, watch, alerts, found, transformer, power_mw, shared, rules)
    if report.loss_mwh is not None and report.non_technical_mwh is not None and report.uncertainty_mwh is not None:
        fed_mwh = max(report.supply_mwh or 0, 0) + (report.export_mwh or 0)
        beyond = report.non_technical_mwh > report.uncertainty_mwh
        share_micro = report.non_technical_mwh * MICRO // fed_mwh if beyond and fed_mwh else 0
        judge(ctx, feeder, alerts, LOSS, share_micro, rules.loss_limit_micro, rules.persist, rules)
        short_mwh = max(-report.loss_mwh - report.uncertainty_mwh, 0)
        judge(ctx, feeder, alerts, FAULT, short_mwh, 0, rules.persist, rules)
        points: list[str] = []
        used_wh: list[int] = []
        for (kind, point), (imported, _, _) in zip(gathered.places, gathered.rows, strict=True):
            if kind == CONNECTION:
                points.append(point)
                used_wh.append(imported // MWH_PER_WH)
        sums = ctx.get("sums/" + feeder, Sums) or no_sums()
        ctx.put("sums/" + feeder, added(sums, points, used_wh, report.non_technical_mwh // MWH_PER_WH))
    keep_alerts(ctx, feeder, before, alerts)
    return report


def load_in(ctx: Context, watch: Watch, found: dict[str, Any], interval_ms: int) -> Load:
    """What samples of the interval say of its load; else the power factor of the head's last reading in it."""
    window = ctx.get(window_key(watch.feeder, interval_ms), Window)
    if window is not None:
        return load_of(window)
    if not found["head"]:
        return Load()
    until_ms = interval_ms + watch.interval_ms
    shown = ctx.call("metering", "shown", point=found["head"], after_ms=interval_ms, until_ms=until_ms)
    return Load(power_factor_milli=shown.get("power_factor_milli"))


def summed(from_ms: int, until_ms: int, reports: list[Report], rating_va: int) -> Summary:
    """Intervals together; the loading is that of their mean, the load factor mean over peak."""
    apparents = [report.apparent_mva for report in reports if report.apparent_mva is not None]
    peaks = [max(report.apparent_mva or 0, report.load.peak_mva) for report in reports]
    mean_mva = sum(apparents) // len(apparents) if len(apparents) == len(reports) else None
    needs_mwh = total([report.import_mwh for report in reports])
    gives_mwh = total([report.export_mwh for report in reports])
    balance_mwh = None if needs_mwh is None or gives_mwh is None else gives_mwh - needs_mwh
    return Summary(
        from_ms=from_ms,
        until_ms=until_ms,
        intervals=len(reports),
        generation_mwh=total([report.generation_mwh for report in reports]),
        consumption_mwh=total([report.consumption_mwh for report in reports]),
        self_mwh=total([report.self_mwh for report in reports]),
        surplus_mwh=None if balance_mwh is None else max(balance_mwh, 0),
        deficit_mwh=None if balance_mwh is None else max(-balance_mwh, 0),
        supply_mwh=total([report.supply_mwh for report in reports]),
        loss_mwh=total([report.loss_mwh for report in reports]),
        technical_mwh=total([report.technical_mwh for report in reports]),
        non_technical_mwh=total([report.non_technical_mwh for report in reports]),
        loading_micro=None if mean_mva is None else loading(mean_mva, rating_va),
        load_factor_micro=None if mean_mva is None else load_factor(mean_mva, max(peaks)),
    )


def total(parts: list[int | None]) -> int | None:
    """Their sum, unknown where one of them is."""
    sum_mwh = 0
    for part in parts:
        if part is None:
            return None
        sum_mwh += part
    return sum_mwh


# ---------------------------------------------------------------- samples


def require_head(ctx: Context, found: dict[str, Any], transformer: dict[str, Any]) -> None:
    """Refuses all but the meter at the feeder's head, and the gateway of its transformer's concentrator."""
    if found["head"] and ctx.call("registry", "point", point=found["head"])["meter"] == ctx.creator.id:
        return
    concentrator = transformer["concentrator"]
    if concentrator and ctx.call("registry", "concentrator", concentrator=concentrator)["gateway"] == ctx.creator.id:
        return
    raise NotTheHead("a feeder is observed by the meter at its head, or the gateway of its transformer")


def judge_sample(
    ctx: Context,
    watch: Watch,
    alerts: dict[str, Alert],
    sample: Sample,
    transformer: dict[str, Any],
    rules: Rules,
) -> None:
    """Voltages, temperature and distortion against their limits, what was measured of them."""
    feeder, band_micro, persist = watch.feeder, rules.voltage_band_micro, rules.persist
    voltages = [phase.voltage_mv for phase in sample.phases]
    low_micro = max(-deviation(min(voltages), transformer["low_mv"]), 0)
    high_micro = max(deviation(max(voltages), transformer["low_mv"]), 0)
    judge(ctx, feeder, alerts, VOLTAGE_LOW, low_micro, band_micro, persist, rules)
    judge(ctx, feeder, alerts, VOLTAGE_HIGH, high_micro, band_micro, persist, rules)
    if sample.high_mv is not None:
        away_micro = abs(deviation(sample.high_mv, transformer["high_mv"]))
        judge(ctx, feeder, alerts, HIGH_VOLTAGE, away_micro, band_micro, persist, rules)
    if sample.temperature_milli is not None:
        limit_milli = rules.temperature_limit_milli
        judge(ctx, feeder, alerts, TEMPERATURE, sample.temperature_milli, limit_milli, persist, rules)
    if sample.distortion_micro is not None:
        limit_micro = rules.distortion_limit_micro
        judge(ctx, feeder, alerts, DISTORTION, sample.distortion_micro, limit_micro, persist, rules)


# ---------------------------------------------------------------- loading and reverse flow


def carried(
    ctx: Context, watch: Watch, time_ms: int, power_mw: int, apparent_mva: int, rules: Rules
) -> tuple[int, int]:
    """Keep what this feeder loads its transformer with; (power, apparent power) of all the transformer's feeders,
    those left out of which nothing is known lately."""
    prefix = f"carried/{watch.transformer}/"
    ctx.put(prefix + watch.feeder, Carried(time_ms=time_ms, power_mw=power_mw, apparent_mva=apparent_mva))
    all_power_mw, all_apparent_mva = power_mw, apparent_mva
    for key, other in ctx.range(prefix, prefix[:-1] + "0", type=Carried):
        if key != prefix + watch.feeder and other.time_ms >= time_ms - max(rules.fresh_ms, watch.interval_ms):
            all_power_mw += other.power_mw
            all_apparent_mva += other.apparent_mva
    return all_power_mw, all_apparent_mva


def guard(
    ctx: Context,
    watch: Watch,
    alerts: dict[str, Alert],
    found: dict[str, Any],
    transformer: dict[str, Any],
    power_mw: int,
    shared: tuple[int, int],
    rules: Rules,
) -> None:
    """Open, clear and enforce the two alerts that stop deliveries: the first value above a limit is enough.

    A feeder's line carries its own flow, the transformer that of all its feeders, which may be less: they share.
    """
    rating_va, limit_w, reverse_limit_w = transformer["rating_va"], found["limit_w"], found["reverse_limit_w"]
    shared_mw, shared_mva = shared
    of_line = stress(power_mw, 0, rating_va, rules.overload_micro, limit_w)
    of_transformer = stress(shared_mw, shared_mva, rating_va, rules.overload_micro, 0)
    if of_line >= of_transformer:
        direction = FORWARD if power_mw >= 0 else REVERSE
        excess = excess_w(power_mw, abs(power_mw), limit_w * 1_000)
    else:
        direction = FORWARD if shared_mw >= 0 else REVERSE
        excess = excess_w(shared_mw, shared_mva, rating_va * rules.overload_micro // 1_000)
    for kind, value, way, off_w in (
        (OVERLOAD, max(of_line, of_transformer), direction, excess),
        (
            REVERSE_FLOW,
            reverse_stress(power_mw, reverse_limit_w),
            REVERSE,
            excess_w(power_mw, -power_mw, reverse_limit_w * 1_000),
        ),
    ):
        was_open = alerts[kind].open
        persist = rules.persist if was_open else 1
        now_open = judge(ctx, watch.feeder, alerts, kind, value, MICRO, persist, rules)
        if now_open and value > MICRO:
            held_back(ctx, watch.feeder, kind, way, off_w, rules)
        elif now_open:
            hold_on(ctx, watch.feeder, kind, rules)
        elif was_open:
            let_go(ctx, watch.feeder, kind)


def held_back(ctx: Context, feeder: str, kind: str, direction: str, off_w: int, rules: Rules) -> None:
    """Halt new deliveries in a direction, and curtail running ones; again only when that had time to work."""
    hold = hold_of(ctx, feeder, direction)
    until_ms, curtailed_ms = hold.until_ms, hold.curtailed_ms
    kinds = hold.kinds if kind in hold.kinds else [*hold.kinds, kind]
    if until_ms < ctx.time_ms + rules.halt_ms // 2:
        until_ms = ctx.time_ms + rules.halt_ms
        schedule_halt(ctx, feeder, direction, until_ms)
    if off_w and (not curtailed_ms or ctx.time_ms >= curtailed_ms + rules.curtail_every_ms):
        curtailed_ms = ctx.time_ms
        ctx.schedule(
            f"curtail/{feeder}/{direction}",
            ctx.time_ms,
            "curtail_deliveries",
            feeder=feeder,
            direction=direction,
            power_w=off_w,
        )
    ctx.put(hold_key(feeder, direction), Hold(kinds=kinds, until_ms=until_ms, curtailed_ms=curtailed_ms))


def hold_on(ctx: Context, feeder: str, kind: str, rules: Rules) -> None:
    """An alert that is still open keeps its halts from lapsing, without curtailing more."""
    for direction in DIRECTIONS:
        hold = hold_of(ctx, feeder, direction)
        if kind in hold.kinds and hold.until_ms < ctx.time_ms + rules.halt_ms // 2:
            until_ms = ctx.time_ms + rules.halt_ms
            schedule_halt(ctx, feeder, direction, until_ms)
            ctx.put(hold_key(feeder, direction), hold.replace(until_ms=until_ms))


def schedule_halt(ctx: Context, feeder: str, direction: str, until_ms: int) -> None:
    ctx.cancel(f"resume/{feeder}/{direction}")
    timer = f"halt/{feeder}/{direction}"
    ctx.schedule(timer, ctx.time_ms, "halt_deliveries", feeder=feeder, direction=direction, until_ms=until_ms)


def let_go(ctx: Context, feeder: str, kind: str) -> None:
    """An alert has cleared: resume where no other one holds deliveries back."""
    for direction in DIRECTIONS:
        hold = hold_of(ctx, feeder, direction)
        if kind not in hold.kinds:
            continue
        kinds = [other for other in hold.kinds if other != kind]
        if kinds:
            ctx.put(hold_key(feeder, direction), hold.replace(kinds=kinds))
            continue
        ctx.delete(hold_key(feeder, direction))
        ctx.cancel(f"halt/{feeder}/{direction}")
        ctx.cancel(f"curtail/{feeder}/{direction}")
        timer = f"resume/{feeder}/{direction}"
        ctx.schedule(timer, ctx.time_ms, "resume_deliveries", feeder=feeder, direction=direction)


# ---------------------------------------------------------------- alerts


def alerts_of(ctx: Context, feeder: str) -> dict[str, Alert]:
    """Of every kind, by kind."""
    return {kind: ctx.get(f"alert/{feeder}/{kind}", Alert) or Alert(kind=kind) for kind in KINDS}


def judge(
    ctx: Context,
    feeder: str,
    alerts: dict[str, Alert],
    kind: str,
    value: int,
    limit: int,
    persist: int,
    rules: Rules,
) -> bool:
    """Let one value more count for an alert; whether it is open then. Opening and clearing are told once each."""
    alert = alerts[kind]
    if not alert.open and not alert.run and value <= limit:
        return False
    now = step(Standing(open=alert.open, run=alert.run), value, limit, rules.hysteresis_micro, persist)
    changed = alert.replace(open=now.open, run=now.run, value=value, limit=limit)
    if now.open and not alert.open:
        changed = changed.replace(opened_ms=ctx.time_ms, times=alert.times + 1)
        ctx.emit("AlertOpened", feeder=feeder, kind=kind, value=value, limit=limit)
    elif alert.open and not now.open:
        changed = changed.replace(cleared_ms=ctx.time_ms)
        ctx.emit("AlertCleared", feeder=feeder, kind=kind, value=value, limit=limit)
    alerts[kind] = changed
    return now.open


def keep_alerts(ctx: Context, feeder: str, before: dict[str, Alert], alerts: dict[str, Alert]) -> None:
    """Write those that have changed."""
    for kind, alert in alerts.items():
        if alert != before[kind]:
            ctx.put(f"alert/{feeder}/{kind}", alert)


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
