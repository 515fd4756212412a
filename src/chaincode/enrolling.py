"""Enrolling: the steps of the registry's functions. A thing is added, a point changes at a boundary, a meter is hung
or taken down, a wallet comes to a customer; and who may do or read what.

Each refuses by the rules of `registry`, whose functions emit the events.
"""

from typing import Any

from chaincode.access import (
    NotYourOrganisation,
    organisation_of,
    require_digest,
    require_direct,
    require_id,
    require_staff,
)
from chaincode.api import Context
from chaincode.calendar import DAY_MS
from chaincode.registered import (
    AreaFull,
    Backdated,
    Consent,
    Customer,
    Device,
    Exists,
    Member,
    Meter,
    MeterInUse,
    NotOnBoundary,
    NotYours,
    Occupied,
    OutOfRange,
    PanInvalid,
    Point,
    PointEmpty,
    Premises,
    Span,
    Spans,
    Unknown,
    Vacant,
    WalletInUse,
    WrongIdentity,
    admitted_area,
    area_of,
    customer_of,
    feeder_of,
    ground_of,
    last_span,
    meter_of,
    point_of,
    premises_of,
    span_at,
    spans_of,
    utility_of,
)
from chaincode.units import LARGEST

AREA_POINTS = 200
POINTS_OF_PREMISES = 8
SPANS_OF_POINT = 200
WALLETS_OF_CUSTOMER = 20
AHEAD_MS = 366 * DAY_MS
INSTALLED_BACK_MS = 30 * DAY_MS
PAN_DIGITS = 18
CONNECTION = "connection"
GENERATION = "generation"
TRANSFORMER = "transformer"

# ---------------------------------------------------------------- adding


def new_id(ctx: Context, kind: str, id: str) -> str:
    """The organisation of a new id. Refuses all but its staff, a malformed id, and one that is taken."""
    organisation = ctx.creator.organisation
    require_id(id, organisation)
    require_staff(ctx, organisation)
    utility_of(ctx, organisation)
    if ctx.get(f"{kind}/{id}") is not None:
        raise Exists(f"there is a {kind} {id} already")
    return organisation


def added_premises(ctx: Context, id: str, utility: str) -> Premises:
    premises = Premises(id=id, utility=utility, points=[])
    ctx.put("premises/" + id, premises)
    return premises


def added_customer(ctx: Context, id: str, utility: str, document_hash: str, wallet: str) -> Customer:
    if document_hash:
        require_digest(document_hash, "digest of the documents")
    customer = Customer(id=id, utility=utility, wallets=[], document_hash=document_hash)
    ctx.put("customer/" + id, customer)
    if wallet:
        require_identity(ctx, wallet, "", "customer")
        return with_wallet(ctx, customer, wallet)
    return customer


def added_point(ctx: Context, point: Point, feeder: str, prepaid: bool, tariff: str) -> Span:
    require_numbers(point.import_rating_w, point.export_rating_w)
    require_phases(point.phases)
    if point.kind not in (CONNECTION, GENERATION, TRANSFORMER) or (point.premises == "") != (point.kind == TRANSFORMER):
        raise OutOfRange("a point is a connection or generation of a premises, or a transformer's")
    on = feeder_of(ctx, feeder)
    admitted_area(ctx, on.area, point.utility)
    customer = ""
    if point.kind == TRANSFORMER:
        if on.operator != point.utility or on.head:
            raise Exists(f"the head of {feeder} is its operator's, and one")
        ctx.put("feeder/" + feeder, on.replace(head=point.id))
    else:
        premises = premises_of(ctx, point.premises)
        if premises.utility != point.utility or len(premises.points) >= POINTS_OF_PREMISES:
            raise OutOfRange(f"premises have at most {POINTS_OF_PREMISES} points, of their own utility")
        if premises.points:
            customer = last_span(ctx, premises.points[0]).customer
        ctx.put("premises/" + premises.id, premises.replace(points=sorted([*premises.points, point.id])))
    if point.kind == CONNECTION:
        counted(ctx, on.area, 1)
    ctx.put("point/" + point.id, point)
    from_ms = next_boundary_ms(ctx)
    span = Span(from_ms=from_ms, until_ms=0, feeder=feeder, customer=customer, prepaid=prepaid, tariff=tariff)
    keep_spans(ctx, point, [span], (feeder,))
    return span


def counted(ctx: Context, area: str, more: int) -> None:
    """Count a connection point in or out of an area."""
    found = area_of(ctx, area)
    if found.points + more > AREA_POINTS:
        raise AreaFull(f"an area has at most {AREA_POINTS} connection points: begin another one")
    ctx.put("area/" + area, found.replace(points=found.points + more))


# ---------------------------------------------------------------- time spans


def next_boundary_ms(ctx: Context) -> int:
    interval_ms = ground_of(ctx).interval_ms
    return -(-ctx.time_ms // interval_ms) * interval_ms


def boundary_ms(ctx: Context, at_ms: int) -> int:
    """The boundary that is meant, 0 for the next one. Refuses what is none, and times that have passed."""
    if at_ms == 0:
        return next_boundary_ms(ctx)
    if at_ms % ground_of(ctx).interval_ms or not ctx.time_ms <= at_ms <= ctx.time_ms + AHEAD_MS:
        raise NotOnBoundary("it takes effect at an interval boundary, from now on and within a year")
    return at_ms


def changed(ctx: Context, point: Point, at_ms: int, then: Span) -> Span:
    """Let something else hold of a point from a boundary on. Refuses one before the last change."""
    spans = spans_of(ctx, point.id)
    last = spans[-1]
    if at_ms < last.from_ms:
        raise Backdated(f"a later change of {point.id} is decided already, from {last.from_ms} on")
    if at_ms > last.from_ms:
        spans = [*spans[:-1], last.replace(until_ms=at_ms), then.replace(from_ms=at_ms, until_ms=0)]
    else:
        spans = [*spans[:-1], then.replace(from_ms=at_ms, until_ms=0)]
    if len(spans) > SPANS_OF_POINT:
        raise OutOfRange(f"a point changes at most {SPANS_OF_POINT} times")
    keep_spans(ctx, point, spans, (last.feeder, then.feeder))
    return spans[-1]


def keep_spans(ctx: Context, point: Point, spans: list[Span], feeders: tuple[str, ...]) -> None:
    """Keep what holds of a point, and by feeder who is there when."""
    ctx.put("spans/" + point.id, Spans(spans=spans))
    for feeder in feeders:
        there = [(span.from_ms, span.until_ms, span.customer, span.prepaid) for span in spans if span.feeder == feeder]
        key = f"member/{feeder}/{point.kind}/{point.id}"
        if there:
            ctx.put(key, Member(point=point.id, utility=point.utility, spans=there))
        else:
            ctx.delete(key)


def moved_in(ctx: Context, premises: Premises, customer: str, at_ms: int) -> int:
    if customer_of(ctx, customer).utility != premises.utility:
        raise NotYourOrganisation(f"{customer} is a customer of another utility")
    if not premises.points:
        raise PointEmpty(f"{premises.id} has no points yet")
    for point in premises.points:
        span = last_span(ctx, point)
        if span.customer:
            raise Occupied(f"{span.customer} lives in {premises.id}")
        found = point_of(ctx, point)
        changed(ctx, found, at_ms, span.replace(customer=customer))
        if found.meter and meter_of(ctx, found.meter).customer_key:
            rekeyed(ctx, found, "")
    return at_ms


# ---------------------------------------------------------------- meters


def hung(ctx: Context, point: Point, device: Device, at_ms: int, predecessor: str) -> Meter:
    require_numbers(device.import_mwh, device.export_mwh)
    if ctx.get("meter/" + device.id) is not None:
        raise MeterInUse(f"meter {device.id[:16]} hangs or hung somewhere: a meter hangs once")
    if device.gateway_signed and ":" in device.id:
        require_id(device.id, point.utility)
    else:
        require_identity(ctx, device.id, point.utility, "meter")
    if device.serial_hash:
        require_digest(device.serial_hash, "digest of the serial number")
    if not max(device.import_mwh, device.export_mwh) < device.modulus_mwh <= LARGEST:
        raise OutOfRange("a register shows less than its modulus")
    earliest_ms = ctx.time_ms - INSTALLED_BACK_MS
    if predecessor:
        earliest_ms = max(earliest_ms, meter_of(ctx, predecessor).removed_ms)
    if not earliest_ms <= at_ms <= ctx.time_ms:
        raise OutOfRange("a meter is hung now or within the last 30 days, after the one before it has left")
    if device.pan:
        require_pan(ctx, device.pan)
        ctx.put("pan/" + device.pan, device.id)
    meter = Meter(
        id=device.id,
        utility=point.utility,
        point=point.id,
        pan=device.pan,
        serial_hash=device.serial_hash,
        modulus_mwh=device.modulus_mwh,
        gateway_signed=device.gateway_signed,
        installed_ms=at_ms,
        import_mwh=device.import_mwh,
        export_mwh=device.export_mwh,
        removed_ms=0,
        final_import_mwh=0,
        final_export_mwh=0,
        predecessor=predecessor,
        customer_key="",
    )
    ctx.put("meter/" + device.id, meter)
    ctx.put("point/" + point.id, point.replace(meter=device.id))
    ctx.put("hung/" + point.id, device.id)
    return meter


def taken_down(ctx: Context, point: Point, at_ms: int, import_mwh: int, export_mwh: int) -> Meter:
    if not point.meter:
        raise PointEmpty(f"point {point.id} has no meter")
    meter = meter_of(ctx, point.meter)
    require_numbers(import_mwh, export_mwh)
    if not meter.installed_ms < at_ms <= ctx.time_ms or max(import_mwh, export_mwh) >= meter.modulus_mwh:
        raise OutOfRange("a meter leaves after it came, not ahead of time, with registers below its modulus")
    gone = meter.replace(removed_ms=at_ms, final_import_mwh=import_mwh, final_export_mwh=export_mwh, customer_key="")
    ctx.put("meter/" + meter.id, gone)
    return gone


def rekeyed(ctx: Context, point: Point, key: str) -> Meter:
    if not point.meter:
        raise PointEmpty(f"point {point.id} has no meter")
    meter = meter_of(ctx, point.meter).replace(customer_key=key)
    ctx.put("meter/" + meter.id, meter)
    ctx.emit("CustomerKeyChanged", point=point.id, meter=meter.id, key=key)
    return meter


def last_hanging(ctx: Context, point: str) -> str:
    return ctx.get("hung/" + point, str) or ""


def require_pan(ctx: Context, pan: str) -> None:
    """Refuses what is no PAN, and one that another meter has."""
    if len(pan) != PAN_DIGITS or not (pan.isascii() and pan.isdecimal()) or luhn(pan) != 0:
        raise PanInvalid(f"a PAN has {PAN_DIGITS} digits, of which the last one checks the others")
    if ctx.get("pan/" + pan) is not None:
        raise PanInvalid(f"a meter has the PAN {pan} already")


def luhn(digits: str) -> int:
    """0 when the last digit is right: every second digit from the right counts twice, as its digits' sum."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        twice = int(digit) * (2 if place % 2 else 1)
        total += twice - 9 if twice > 9 else twice
    return total % 10


# ---------------------------------------------------------------- wallets and who may read


def with_wallet(ctx: Context, customer: Customer, wallet: str) -> Customer:
    require_free(ctx, wallet)
    if len(customer.wallets) >= WALLETS_OF_CUSTOMER:
        raise OutOfRange(f"a customer has at most {WALLETS_OF_CUSTOMER} wallets")
    customer = customer.replace(wallets=sorted([*customer.wallets, wallet]))
    ctx.put("customer/" + customer.id, customer)
    ctx.put("wallet/" + wallet, customer.id)
    return customer


def require_free(ctx: Context, wallet: str) -> None:
    if ctx.get("wallet/" + wallet) is not None:
        raise WalletInUse("the wallet speaks for a customer already")


def own_customer(ctx: Context) -> str:
    """The customer the signer speaks for."""
    require_direct(ctx)
    customer = ctx.get("wallet/" + ctx.creator.id, str)
    if customer is None:
        raise NotYours("the signer is no customer's wallet")
    return customer


def require_wallet_of(ctx: Context, customer: str) -> None:
    if own_customer(ctx) != customer:
        raise NotYours("only a wallet of the customer who is concerned may do this")


def tenant(ctx: Context, point: str) -> str:
    """The customer of a point now; refuses where there is none."""
    span = span_at(ctx, point, ctx.time_ms)
    if span is None or not span.customer:
        raise Vacant(f"{point} has no customer now")
    return span.customer


def settled_claim(ctx: Context, premises: str, wallet: str) -> None:
    """Take a claim off the list; staff."""
    require_staff(ctx, premises_of(ctx, premises).utility)
    if ctx.get(f"claim/{premises}/{wallet}") is None:
        raise Unknown("there is no such claim")
    ctx.delete(f"claim/{premises}/{wallet}")


def may_read_point(ctx: Context, point: str, scope: str) -> bool:
    found, creator = point_of(ctx, point), ctx.creator
    if creator.role == "regulator" or creator.id == found.meter:
        return True
    if creator.role in ("admin", "operator") and creator.organisation == found.utility:
        return True
    span = span_at(ctx, point, ctx.time_ms)
    if span is None:
        return False
    if scope == "readings" and creator.role in ("admin", "operator", "gateway"):
        return creator.organisation in (found.utility, organisation_of(span.feeder))
    customer = ctx.get("wallet/" + creator.id, str)
    if customer and customer == span.customer:
        return True
    given = ctx.get(f"consent/{point}/{creator.id}", Consent)
    return (
        given is not None and scope in given.scopes and given.given_by == span.customer and ctx.time_ms < given.until_ms
    )


def require_reader(ctx: Context, organisation: str, *readers: str) -> None:
    """Contracts, regulators, staff of the organisation, and these identities."""
    creator = ctx.creator
    if ctx.caller or creator.role == "regulator" or creator.id in readers:
        return
    if creator.role not in ("admin", "operator") or creator.organisation != organisation:
        raise NotYourOrganisation(f"this is read by staff of {organisation}, regulators, and whom it concerns")


def require_identity(ctx: Context, identity: str, organisation: str, role: str) -> None:
    """Refuses an id that the ledger does not know, or not as of this organisation and role ('': any)."""
    found: dict[str, Any] = ctx.call("identity", "describe", identity=identity)
    if (organisation and found["organisation"] != organisation) or (role and found["role"] != role):
        raise WrongIdentity(f"an identity of {organisation or 'any organisation'} is needed, role {role or 'any'}")


def require_numbers(*numbers: int) -> None:
    if not all(0 <= number <= LARGEST for number in numbers):
        raise OutOfRange("a quantity lies between 0 and 2^53-1")


def require_phases(phases: int) -> None:
    if phases not in (1, 2, 3):
        raise OutOfRange("there are one, two or three phases")
