"""Guarding: samples at the head of a feeder, alerts that open and clear once, what overload and reverse flow hold back.

A direction that an alert holds is halted in the market and curtailed in settlement, by timers of their own, until no
alert holds it any more.
"""

from typing import Any

from chaincode.api import Context
from chaincode.health import Standing, deviation, excess_w, reverse_stress, step, stress
from chaincode.samples import Sample
from chaincode.units import MICRO
from chaincode.watched import Alert, Carried, Hold, NotTheHead, Rules, Watch, hold_key, hold_of

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
