"""Registered: what the registry keeps, the refusals it gives, and how a thing is found by its id.

Every record says under which key it stands; `registry` says what the things are.
"""

from chaincode.api import Context, Record, Refusal
from chaincode.calendar import Zone

# ---------------------------------------------------------------- records


class Ground(Record):
    """Under `ground`."""

    interval_ms: int
    digits: int
    founder: str


class Utility(Record):
    """Under `utility/`, organisation. The accounts are identities of the organisation."""

    organisation: str
    zone: Zone
    treasury: str
    tax_account: str
    levy_account: str


class Area(Record):
    """Under `area/`, id. `admitted`: other organisations whose feeders and points may join."""

    id: str
    operator: str
    admitted: list[str]
    feeders: list[str]
    points: int


class Concentrator(Record):
    """Under `concentrator/`, id. `gateway` is the identity that carries its meters' readings."""

    id: str
    operator: str
    gateway: str


class Transformer(Record):
    """Under `transformer/`, id."""

    id: str
    operator: str
    rating_va: int
    low_mv: int
    high_mv: int
    concentrator: str


class Feeder(Record):
    """Under `feeder/`, id. `head` is the point where its supply is measured, '' if it is not; a limit of 0 is none."""

    id: str
    operator: str
    transformer: str
    area: str
    phases: int
    limit_w: int
    reverse_limit_w: int
    head: str


class Customer(Record):
    """Under `customer/`, id."""

    id: str
    utility: str
    wallets: list[str]
    document_hash: str


class Premises(Record):
    """Under `premises/`, id."""

    id: str
    utility: str
    points: list[str]


class Point(Record):
    """Under `point/`, id. `meter` is the one that hangs there now, '' if none."""

    id: str
    kind: str
    utility: str
    premises: str
    phases: int
    import_rating_w: int
    export_rating_w: int
    meter: str


class Span(Record):
    """What holds of a point from one boundary to another (`until_ms` 0: open)."""

    from_ms: int
    until_ms: int
    feeder: str
    customer: str
    prepaid: bool
    tariff: str


class Spans(Record):
    """Under `spans/`, point; oldest first."""

    spans: list[Span]


class Member(Record):
    """Under `member/`, feeder, kind, point: when it is on this feeder, as (from, until, customer, prepaid)."""

    point: str
    utility: str
    spans: list[tuple[int, int, str, bool]]


class Meter(Record):
    """Under `meter/`, id: a meter's identity, or an id of the utility's for one without a key of its own.

    The registers are those at installation and, once `removed_ms` is not 0, at the end.
    """

    id: str
    utility: str
    point: str
    pan: str
    serial_hash: str
    modulus_mwh: int
    gateway_signed: bool
    installed_ms: int
    import_mwh: int
    export_mwh: int
    removed_ms: int
    final_import_mwh: int
    final_export_mwh: int
    predecessor: str
    customer_key: str


class Device(Record):
    """A meter that is to be hung: its id, PAN ('' if it takes no tokens), and what it shows at that time."""

    id: str
    pan: str = ""
    serial_hash: str = ""
    modulus_mwh: int = 100_000_000_000
    gateway_signed: bool = False
    import_mwh: int = 0
    export_mwh: int = 0


class House(Record):
    """A premises with one connection point, one customer with at most one wallet, and one meter."""

    premises: str
    point: str
    customer: str
    meter: Device
    wallet: str = ""


class Claim(Record):
    """Under `claim/`, premises, wallet. `code_hash` is the SHA-256 of the utility's code and the wallet's id."""

    premises: str
    wallet: str
    code_hash: str
    claimed_ms: int


class Consent(Record):
    """Under `consent/`, point, reader."""

    point: str
    reader: str
    scopes: list[str]
    until_ms: int
    given_by: str


class Metered(Record):
    """What metering needs to know of a meter, in one answer."""

    meter: Meter
    interval_ms: int
    import_rating_w: int
    export_rating_w: int


class Listed(Record):
    """A page of ids, and where to go on ('' at the end)."""

    ids: list[str]
    after: str


# ---------------------------------------------------------------- refusals


class GroundMissing(Refusal):
    """Nobody has said the ground rules of this ledger yet."""

    code = "GROUND_MISSING"


class AlreadyEstablished(Refusal):
    """The ground rules are said once."""

    code = "ALREADY_ESTABLISHED"


class Unknown(Refusal):
    """There is no such thing."""

    code = "UNKNOWN"


class Exists(Refusal):
    """Something has this id already."""

    code = "EXISTS"


class OutOfRange(Refusal):
    """A number, kind or list is not what it can be."""

    code = "OUT_OF_RANGE"


class WrongIdentity(Refusal):
    """The identity is of another role or organisation than is needed here."""

    code = "WRONG_IDENTITY"


class NotAdmitted(Refusal):
    """The area's operator has not admitted this organisation."""

    code = "NOT_ADMITTED"


class AreaFull(Refusal):
    """An area has at most 200 connection points on 20 feeders."""

    code = "AREA_FULL"


class NotOnBoundary(Refusal):
    """A change takes effect at an interval boundary ahead, within a year."""

    code = "NOT_ON_BOUNDARY"


class Backdated(Refusal):
    """A later change is decided already."""

    code = "BACKDATED"


class MeterInUse(Refusal):
    """The meter hangs somewhere already, or did."""

    code = "METER_IN_USE"


class PointOccupied(Refusal):
    """The point has a meter: replace it."""

    code = "POINT_OCCUPIED"


class PointEmpty(Refusal):
    """The point has no meter."""

    code = "POINT_EMPTY"


class PanInvalid(Refusal):
    """A PAN has 18 digits, the last of them right, and names one meter."""

    code = "PAN_INVALID"


class Occupied(Refusal):
    """Somebody lives there at that time."""

    code = "OCCUPIED"


class Vacant(Refusal):
    """Nobody lives there at that time."""

    code = "VACANT"


class WalletInUse(Refusal):
    """The wallet speaks for a customer already."""

    code = "WALLET_IN_USE"


class NotYours(Refusal):
    """The signer's wallet does not speak for the customer who is concerned."""

    code = "NOT_YOURS"


class ClaimsPending(Refusal):
    """Too many claims wait for this premises."""

    code = "CLAIMS_PENDING"


# ---------------------------------------------------------------- finding


def ground_of(ctx: Context) -> Ground:
    found = ctx.get("ground", Ground)
    if found is None:
        raise GroundMissing("nobody has said the ground rules of this ledger yet")
    return found


def utility_of(ctx: Context, organisation: str) -> Utility:
    found = ctx.get("utility/" + organisation, Utility)
    if found is None:
        raise Unknown(f"{organisation} is not enlisted as a utility")
    return found


def area_of(ctx: Context, area: str) -> Area:
    found = ctx.get("area/" + area, Area)
    if found is None:
        raise Unknown(f"there is no area {area}")
    return found


def admitted_area(ctx: Context, area: str, organisation: str) -> Area:
    found = area_of(ctx, area)
    if organisation != found.operator and organisation not in found.admitted:
        raise NotAdmitted(f"{found.operator} has not admitted {organisation} to {area}")
    return found


def feeder_of(ctx: Context, feeder: str) -> Feeder:
    found = ctx.get("feeder/" + feeder, Feeder)
    if found is None:
        raise Unknown(f"there is no feeder {feeder}")
    return found


def premises_of(ctx: Context, premises: str) -> Premises:
    found = ctx.get("premises/" + premises, Premises)
    if found is None:
        raise Unknown(f"there are no premises {premises}")
    return found


def customer_of(ctx: Context, customer: str) -> Customer:
    found = ctx.get("customer/" + customer, Customer)
    if found is None:
        raise Unknown(f"there is no customer {customer}")
    return found


def point_of(ctx: Context, point: str) -> Point:
    found = ctx.get("point/" + point, Point)
    if found is None:
        raise Unknown(f"there is no point {point}")
    return found


def spans_of(ctx: Context, point: str) -> list[Span]:
    found = ctx.get("spans/" + point, Spans)
    if found is None:
        raise Unknown(f"there is no point {point}")
    return found.spans


def last_span(ctx: Context, point: str) -> Span:
    return spans_of(ctx, point)[-1]


def span_at(ctx: Context, point: str, time_ms: int) -> Span | None:
    for span in reversed(spans_of(ctx, point)):
        if span.from_ms <= time_ms:
            return span
    return None


def meter_of(ctx: Context, meter: str) -> Meter:
    found = ctx.get("meter/" + meter, Meter)
    if found is None:
        raise Unknown(f"there is no meter {meter[:40]}")
    return found
