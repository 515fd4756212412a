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

from chaincode.access import require_direct, require_staff
from chaincode.api import Context, Contract, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.dated import put_dated
from chaincode.guarding import LOSS, alerts_of, carried, guard, judge_sample, keep_alerts, require_head
from chaincode.health import headroom_w
from chaincode.reporting import DAY_MS, covered, gather, summed, written
from chaincode.samples import Sample, Window, require_samples, sampled, widened
from chaincode.suspicion import Sums, fallen, follows, no_sums
from chaincode.units import MICRO
from chaincode.watched import (
    PAGE_ITEMS,
    Alert,
    AlreadyWatched,
    Headroom,
    NotDue,
    NotReported,
    NotYours,
    Observed,
    OutOfRange,
    Report,
    Rules,
    Share,
    Summary,
    Suspect,
    Watch,
    gathering_key,
    report_key,
    report_of,
    require_reader,
    require_rules,
    rules_of,
    shares_of,
    watch_of,
    window_key,
)

SUMMED_INTERVALS = 96
TAMPERED_MS = 30 * DAY_MS
FOLLOWS = "follows"
FALLEN = "fallen"
TAMPERED = "tampered"

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
