"""Registry: what exists, who lives where, which meter hangs at which point, who may read whose data.

    ground         the interval length and the currency's digits of this ledger, said once
    utility        an organisation that has customers: its zone, and the accounts its money goes to
    area           feeders that trade with one another and are settled together
    feeder, transformer, concentrator
    customer       a pseudonym of a utility, and the wallets that speak for it
    premises       a house or flat of a utility, and its points
    point          where energy is measured: connection (billed), generation (informs), transformer (a feeder's head)
    spans          what held of a point from one interval boundary to another: feeder, customer, prepaid, tariff
    member         the same by feeder: who is settled there in an interval
    meter          a device at a point, with the registers it came with, and those it left with
    claim          a wallet asks to be taken for a premises' customer
    consent        a customer lets somebody read

Keys are `<kind>/<id>`, so that lists are read in pages. Rules it keeps:

* an id is `<organisation>:<name>`; the organisation's own staff give it, once;
* what concerns billing changes at an interval boundary that lies ahead, never backwards;
* a point has one meter at a time; a meter hangs once, and leaves with the registers it ended at;
* a wallet speaks for one customer; a claim shows a digest of code and wallet, never the code;
* no personal data: pseudonyms here, digests of documents, and the rest stays with the utility.

Roles: an organisation's admin enlists it; admin and operator (staff) keep its things; a wallet claims, adds and
removes wallets of its customer, and consents; regulators and contracts read.
Events: GroundEstablished, UtilityEnlisted, AreaAdded, OrganisationAdmitted, ConcentratorAdded, TransformerAdded,
FeederAdded, PremisesAdded, PointAdded, CustomerAdded, HouseAdded, MeterInstalled, MeterReplaced, MeterRemoved,
PointChanged, MovedIn, MovedOut, ClaimMade, ClaimApproved, ClaimRefused, WalletAdded, WalletRemoved,
CustomerKeyAsked, CustomerKeyChanged, ConsentGiven, ConsentWithdrawn.
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
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from chaincode.calendar import DAY_MS, MINUTE_MS, Zone
from chaincode.units import LARGEST

AREA_POINTS = 200
AREA_FEEDERS = 20
HOUSES_AT_ONCE = 50
POINTS_OF_PREMISES = 8
SPANS_OF_POINT = 200
WALLETS_OF_CUSTOMER = 20
CLAIMS_WAITING = 10
PAGE_ITEMS = 100
AHEAD_MS = 366 * DAY_MS
INSTALLED_BACK_MS = 30 * DAY_MS
PAN_DIGITS = 18
KINDS = ("area", "concentrator", "customer", "feeder", "meter", "point", "premises", "transformer")
CONNECTION = "connection"
GENERATION = "generation"
TRANSFORMER = "transformer"
SCOPES = ("bills", "readings", "trades")

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


# ---------------------------------------------------------------- the contract


class Registry(Contract):
    name = "registry"
    version = "1.0.0"

    # ------------------------------------------------------------ the ledger and its organisations

    @transaction(roles=("admin",))
    def establish(self, ctx: Context, interval_ms: int, digits: int) -> Ground:
        """Say the interval's length and the currency's digits, once, for the whole ledger.

        Refuses a length that is no whole number of minutes of which whole numbers make a day.
        """
        require_direct(ctx)
        if ctx.get("ground", Ground) is not None:
            raise AlreadyEstablished("the ground rules of this ledger are said")
        if interval_ms < MINUTE_MS or interval_ms % MINUTE_MS or DAY_MS % interval_ms or not 0 <= digits <= 6:
            raise OutOfRange("an interval is of whole minutes that divide a day, a currency has 0 to 6 digits")
        ground = Ground(interval_ms=interval_ms, digits=digits, founder=ctx.creator.organisation)
        ctx.put("ground", ground)
        ctx.emit("GroundEstablished", interval_ms=interval_ms, digits=digits, founder=ground.founder)
        return ground

    @transaction(roles=("admin",))
    def enlist(self, ctx: Context, zone: Zone, treasury: str, tax_account: str, levy_account: str) -> Utility:
        """Make the caller's organisation a utility, or change its zone and accounts.

        Refuses accounts that are no identities of this organisation.
        """
        require_direct(ctx)
        organisation = ctx.creator.organisation
        for account in (treasury, tax_account, levy_account):
            require_identity(ctx, account, organisation, "")
        utility = Utility(
            organisation=organisation,
            zone=zone,
            treasury=treasury,
            tax_account=tax_account,
            levy_account=levy_account,
        )
        ctx.put("utility/" + organisation, utility)
        ctx.emit("UtilityEnlisted", organisation=organisation, zone=zone.name, treasury=treasury)
        return utility

    # ------------------------------------------------------------ the network

    @transaction
    def add_area(self, ctx: Context, id: str) -> Area:
        """Begin an area of the caller's organisation."""
        operator = new_id(ctx, "area", id)
        area = Area(id=id, operator=operator, admitted=[], feeders=[], points=0)
        ctx.put("area/" + id, area)
        ctx.emit("AreaAdded", area=id, operator=operator)
        return area

    @transaction
    def admit(self, ctx: Context, area: str, organisation: str) -> Area:
        """Let another organisation's feeders and points into an area; its operator's staff."""
        found = area_of(ctx, area)
        require_staff(ctx, found.operator)
        utility_of(ctx, organisation)
        if organisation not in found.admitted:
            found = found.replace(admitted=sorted([*found.admitted, organisation]))
            ctx.put("area/" + area, found)
            ctx.emit("OrganisationAdmitted", area=area, organisation=organisation)
        return found

    @transaction
    def add_concentrator(self, ctx: Context, id: str, gateway: str) -> Concentrator:
        """Name a concentrator and the gateway behind it, an identity of the same organisation."""
        operator = new_id(ctx, "concentrator", id)
        require_identity(ctx, gateway, operator, "gateway")
        found = Concentrator(id=id, operator=operator, gateway=gateway)
        ctx.put("concentrator/" + id, found)
        ctx.emit("ConcentratorAdded", concentrator=id, gateway=gateway)
        return found

    @transaction
    def add_transformer(
        self, ctx: Context, id: str, rating_va: int, low_mv: int, high_mv: int, concentrator: str = ""
    ) -> Transformer:
        """Name a transformer: its rating and its nominal voltages."""
        operator = new_id(ctx, "transformer", id)
        require_numbers(rating_va, low_mv, high_mv)
        if concentrator and ctx.get("concentrator/" + concentrator, Concentrator) is None:
            raise Unknown(f"there is no concentrator {concentrator}")
        found = Transformer(
            id=id, operator=operator, rating_va=rating_va, low_mv=low_mv, high_mv=high_mv, concentrator=concentrator
        )
        ctx.put("transformer/" + id, found)
        ctx.emit("TransformerAdded", transformer=id, rating_va=rating_va)
        return found

    @transaction
    def add_feeder(
        self,
        ctx: Context,
        id: str,
        transformer: str,
        area: str,
        phases: int = 3,
        limit_w: int = 0,
        reverse_limit_w: int = 0,
    ) -> Feeder:
        """Name a feeder of a transformer, in an area. Refuses an area that has not admitted the organisation."""
        operator = new_id(ctx, "feeder", id)
        require_numbers(limit_w, reverse_limit_w)
        require_phases(phases)
        if ctx.get("transformer/" + transformer, Transformer) is None:
            raise Unknown(f"there is no transformer {transformer}")
        joined = admitted_area(ctx, area, operator)
        if len(joined.feeders) >= AREA_FEEDERS:
            raise AreaFull(f"an area has at most {AREA_FEEDERS} feeders")
        ctx.put("area/" + area, joined.replace(feeders=sorted([*joined.feeders, id])))
        feeder = Feeder(
            id=id,
            operator=operator,
            transformer=transformer,
            area=area,
            phases=phases,
            limit_w=limit_w,
            reverse_limit_w=reverse_limit_w,
            head="",
        )
        ctx.put("feeder/" + id, feeder)
        ctx.emit("FeederAdded", feeder=id, transformer=transformer, area=area)
        return feeder

    # ------------------------------------------------------------ premises, points, customers

    @transaction
    def add_premises(self, ctx: Context, id: str) -> Premises:
        """Name a house or flat of the caller's organisation; nobody lives there yet."""
        premises = added_premises(ctx, id, new_id(ctx, "premises", id))
        ctx.emit("PremisesAdded", premises=id)
        return premises

    @transaction
    def add_customer(self, ctx: Context, id: str, document_hash: str = "", wallet: str = "") -> Customer:
        """Name a customer, by a pseudonym; a wallet may speak for it from the beginning."""
        customer = added_customer(ctx, id, new_id(ctx, "customer", id), document_hash, wallet)
        ctx.emit("CustomerAdded", customer=id, wallets=customer.wallets)
        return customer

    @transaction
    def add_point(
        self,
        ctx: Context,
        id: str,
        kind: str,
        feeder: str,
        premises: str = "",
        phases: int = 1,
        import_rating_w: int = 0,
        export_rating_w: int = 0,
        prepaid: bool = False,
        tariff: str = "",
    ) -> Point:
        """Name a point on a feeder, from the next boundary on.

        A connection or generation point belongs to a premises and has its customer; a transformer point
        is the head of its feeder and has none.
        """
        utility = new_id(ctx, "point", id)
        point = Point(
            id=id,
            kind=kind,
            utility=utility,
            premises=premises,
            phases=phases,
            import_rating_w=import_rating_w,
            export_rating_w=export_rating_w,
            meter="",
        )
        from_ms = added_point(ctx, point, feeder, prepaid, tariff).from_ms
        ctx.emit("PointAdded", point=id, kind=kind, feeder=feeder, premises=premises, from_ms=from_ms)
        return point

    @transaction
    def add_houses(
        self,
        ctx: Context,
        feeder: str,
        houses: list[House],
        import_rating_w: int,
        export_rating_w: int,
        prepaid: bool = False,
        tariff: str = "",
    ) -> int:
        """Add up to 50 houses that are alike, inhabited from the next boundary on, their meters hung now."""
        if not 1 <= len(houses) <= HOUSES_AT_ONCE:
            raise OutOfRange(f"1 to {HOUSES_AT_ONCE} houses at once")
        for house in houses:
            utility = new_id(ctx, "premises", house.premises)
            new_id(ctx, "customer", house.customer)
            new_id(ctx, "point", house.point)
            added_premises(ctx, house.premises, utility)
            added_customer(ctx, house.customer, utility, "", house.wallet)
            point = Point(
                id=house.point,
                kind=CONNECTION,
                utility=utility,
                premises=house.premises,
                phases=1,
                import_rating_w=import_rating_w,
                export_rating_w=export_rating_w,
                meter="",
            )
            added_point(ctx, point, feeder, prepaid, tariff)
            moved_in(ctx, premises_of(ctx, house.premises), house.customer, next_boundary_ms(ctx))
            hung(ctx, point, house.meter, ctx.time_ms, "")
            ctx.emit(
                "HouseAdded",
                premises=house.premises,
                point=house.point,
                customer=house.customer,
                wallet=house.wallet,
                meter=house.meter.id,
                pan=house.meter.pan,
                feeder=feeder,
            )
        return len(houses)

    @transaction
    def set_point(
        self,
        ctx: Context,
        point: str,
        import_rating_w: int,
        export_rating_w: int,
        prepaid: bool,
        tariff: str,
        at_ms: int = 0,
    ) -> Point:
        """Change what a point may draw and feed in (at once), and how it pays (from a boundary on; 0: the next)."""
        found = point_of(ctx, point)
        require_staff(ctx, found.utility)
        require_numbers(import_rating_w, export_rating_w)
        found = found.replace(import_rating_w=import_rating_w, export_rating_w=export_rating_w)
        ctx.put("point/" + point, found)
        when_ms = boundary_ms(ctx, at_ms)
        changed(ctx, found, when_ms, last_span(ctx, point).replace(prepaid=prepaid, tariff=tariff))
        ctx.emit("PointChanged", point=point, prepaid=prepaid, tariff=tariff, from_ms=when_ms)
        return found

    @transaction
    def move_feeder(self, ctx: Context, point: str, feeder: str, at_ms: int = 0) -> Span:
        """Hang a point on another feeder from a boundary on (0: the next); no use is lost or invented."""
        found = point_of(ctx, point)
        require_staff(ctx, found.utility)
        to = feeder_of(ctx, feeder)
        span = last_span(ctx, point)
        when_ms = boundary_ms(ctx, at_ms)
        if found.kind == TRANSFORMER or to.id == span.feeder:
            raise OutOfRange("a house moves to another feeder; a transformer's point does not move")
        if found.kind == CONNECTION:
            counted(ctx, feeder_of(ctx, span.feeder).area, -1)
            counted(ctx, admitted_area(ctx, to.area, found.utility).id, 1)
        ctx.emit("PointChanged", point=point, feeder=feeder, from_ms=when_ms)
        return changed(ctx, found, when_ms, span.replace(feeder=feeder))

    # ------------------------------------------------------------ meters

    @transaction
    def install(self, ctx: Context, point: str, meter: Device, installed_ms: int = 0) -> Meter:
        """Hang a meter at an empty point (0: now), with the registers it shows.

        Refuses a meter that hangs or hung anywhere, one of another organisation, a wrong PAN, and a time
        ahead, more than 30 days back, or before the last meter left.
        """
        found = point_of(ctx, point)
        require_staff(ctx, found.utility)
        if found.meter:
            raise PointOccupied(f"point {point} has a meter: replace it")
        hanging = hung(ctx, found, meter, installed_ms or ctx.time_ms, last_hanging(ctx, point))
        ctx.emit("MeterInstalled", point=point, meter=meter.id, pan=meter.pan, installed_ms=hanging.installed_ms)
        return hanging

    @transaction
    def remove(self, ctx: Context, point: str, removed_ms: int, final_import_mwh: int, final_export_mwh: int) -> Meter:
        """Take a point's meter away, with the registers it ends at; nothing is measured until another hangs."""
        found = point_of(ctx, point)
        require_staff(ctx, found.utility)
        meter = taken_down(ctx, found, removed_ms or ctx.time_ms, final_import_mwh, final_export_mwh)
        ctx.put("point/" + point, found.replace(meter=""))
        ctx.emit("MeterRemoved", point=point, meter=meter.id, removed_ms=meter.removed_ms)
        return meter

    @transaction
    def replace(
        self,
        ctx: Context,
        point: str,
        final_import_mwh: int,
        final_export_mwh: int,
        meter: Device,
        replaced_ms: int = 0,
    ) -> Meter:
        """Hang another meter in place of the present one, at one instant (0: now): no gap, and no invented use."""
        found = point_of(ctx, point)
        require_staff(ctx, found.utility)
        at_ms = replaced_ms or ctx.time_ms
        old = taken_down(ctx, found, at_ms, final_import_mwh, final_export_mwh)
        new = hung(ctx, found, meter, at_ms, old.id)
        ctx.emit("MeterReplaced", point=point, old=old.id, new=new.id, replaced_ms=at_ms)
        return new

    @transaction
    def ask_customer_key(self, ctx: Context, point: str, key: str) -> None:
        """The tenant's wallet names the identity of a new customer key (shares); staff confirm it."""
        require_wallet_of(ctx, tenant(ctx, point))
        require_identity(ctx, key, point_of(ctx, point).utility, "customer")
        ctx.put("customer_key/" + point, key)
        ctx.emit("CustomerKeyAsked", point=point, key=key)

    @transaction
    def confirm_customer_key(self, ctx: Context, point: str) -> Meter:
        """The second of the two that a new customer key takes: operator and customer."""
        found = point_of(ctx, point)
        require_staff(ctx, found.utility)
        key = ctx.get("customer_key/" + point, str)
        if key is None:
            raise Unknown(f"no new customer key waits for {point}")
        ctx.delete("customer_key/" + point)
        return rekeyed(ctx, found, key)

    # ------------------------------------------------------------ moving in and out

    @transaction
    def move_in(self, ctx: Context, premises: str, customer: str, at_ms: int = 0) -> int:
        """Let a customer live there from a boundary on (0: the next); the last tenant's customer key ends.

        Refuses where somebody lives.
        """
        found = premises_of(ctx, premises)
        require_staff(ctx, found.utility)
        when_ms = moved_in(ctx, found, customer, boundary_ms(ctx, at_ms))
        ctx.emit("MovedIn", premises=premises, customer=customer, at_ms=when_ms)
        return when_ms

    @transaction
    def move_out(self, ctx: Context, premises: str, at_ms: int = 0) -> int:
        """End it at a boundary (0: the next)."""
        found = premises_of(ctx, premises)
        require_staff(ctx, found.utility)
        when_ms = boundary_ms(ctx, at_ms)
        leaving = ""
        for point in found.points:
            span = last_span(ctx, point)
            leaving = leaving or span.customer
            changed(ctx, point_of(ctx, point), when_ms, span.replace(customer=""))
        if not leaving:
            raise Vacant(f"nobody lives in {premises}")
        ctx.emit("MovedOut", premises=premises, customer=leaving, at_ms=when_ms)
        return when_ms

    # ------------------------------------------------------------ wallets, claims, consent

    @transaction
    def claim(self, ctx: Context, premises: str, code_hash: str) -> Claim:
        """Ask to speak for the customer who lives there, with the SHA-256 of the utility's code and one's wallet id."""
        require_direct(ctx)
        require_digest(code_hash, "digest of code and wallet")
        premises_of(ctx, premises)
        require_free(ctx, ctx.creator.id)
        if sum(1 for _ in ctx.range(f"claim/{premises}/", f"claim/{premises}0")) >= CLAIMS_WAITING:
            raise ClaimsPending(f"{CLAIMS_WAITING} claims wait for {premises}")
        claim = Claim(premises=premises, wallet=ctx.creator.id, code_hash=code_hash, claimed_ms=ctx.time_ms)
        ctx.put(f"claim/{premises}/{claim.wallet}", claim)
        ctx.emit("ClaimMade", premises=premises, wallet=claim.wallet)
        return claim

    @transaction
    def approve_claim(self, ctx: Context, premises: str, wallet: str) -> Customer:
        """Take the wallet for one of the customer who lives there now; staff, who have compared the digest."""
        settled_claim(ctx, premises, wallet)
        spans = [span_at(ctx, point, ctx.time_ms) for point in premises_of(ctx, premises).points]
        customers = [span.customer for span in spans if span is not None and span.customer]
        if not customers:
            raise Vacant(f"nobody lives in {premises}")
        ctx.emit("ClaimApproved", premises=premises, wallet=wallet, customer=customers[0])
        return with_wallet(ctx, customer_of(ctx, customers[0]), wallet)

    @transaction
    def refuse_claim(self, ctx: Context, premises: str, wallet: str) -> None:
        """Forget a claim; staff."""
        settled_claim(ctx, premises, wallet)
        ctx.emit("ClaimRefused", premises=premises, wallet=wallet)

    @transaction
    def add_wallet(self, ctx: Context, wallet: str) -> Customer:
        """Let another wallet speak for the signer's customer too."""
        customer = customer_of(ctx, own_customer(ctx))
        require_identity(ctx, wallet, "", "customer")
        ctx.emit("WalletAdded", customer=customer.id, wallet=wallet)
        return with_wallet(ctx, customer, wallet)

    @transaction
    def remove_wallet(self, ctx: Context, wallet: str) -> Customer:
        """Let a wallet of the signer's customer speak for it no longer; not the last one."""
        customer = customer_of(ctx, own_customer(ctx))
        if wallet not in customer.wallets or len(customer.wallets) == 1:
            raise NotYours("a customer removes a wallet of its own, and keeps one")
        customer = customer.replace(wallets=[other for other in customer.wallets if other != wallet])
        ctx.put("customer/" + customer.id, customer)
        ctx.delete("wallet/" + wallet)
        ctx.emit("WalletRemoved", customer=customer.id, wallet=wallet)
        return customer

    @transaction
    def consent(self, ctx: Context, point: str, reader: str, scopes: list[str], until_ms: int) -> Consent:
        """Let an identity read a point's readings, bills or trades until a time; the tenant's wallet."""
        require_wallet_of(ctx, tenant(ctx, point))
        require_identity(ctx, reader, "", "")
        if not scopes or any(scope not in SCOPES for scope in scopes) or until_ms <= ctx.time_ms:
            raise OutOfRange(f"a consent is for some of {', '.join(SCOPES)}, until a time ahead")
        given = Consent(
            point=point, reader=reader, scopes=sorted(scopes), until_ms=until_ms, given_by=own_customer(ctx)
        )
        ctx.put(f"consent/{point}/{reader}", given)
        ctx.emit("ConsentGiven", point=point, reader=reader, scopes=given.scopes, until_ms=until_ms)
        return given

    @transaction
    def withdraw_consent(self, ctx: Context, point: str, reader: str) -> None:
        """End a consent that the signer's customer gave."""
        given = ctx.get(f"consent/{point}/{reader}", Consent)
        if given is None:
            raise Unknown(f"there is no consent for {reader[:8]} to read {point}")
        require_wallet_of(ctx, given.given_by)
        ctx.delete(f"consent/{point}/{reader}")
        ctx.emit("ConsentWithdrawn", point=point, reader=reader)

    # ------------------------------------------------------------ reading: what anyone may know

    @query
    def ground(self, ctx: Context) -> Ground:
        return ground_of(ctx)

    @query
    def utility(self, ctx: Context, organisation: str) -> Utility:
        return utility_of(ctx, organisation)

    @query
    def area(self, ctx: Context, area: str) -> Area:
        return area_of(ctx, area)

    @query
    def feeder(self, ctx: Context, feeder: str) -> Feeder:
        return feeder_of(ctx, feeder)

    @query
    def transformer(self, ctx: Context, transformer: str) -> Transformer:
        found = ctx.get("transformer/" + transformer, Transformer)
        if found is None:
            raise Unknown(f"there is no transformer {transformer}")
        return found

    @query
    def concentrator(self, ctx: Context, concentrator: str) -> Concentrator:
        found = ctx.get("concentrator/" + concentrator, Concentrator)
        if found is None:
            raise Unknown(f"there is no concentrator {concentrator}")
        return found

    # ------------------------------------------------------------ reading: contracts, and whom it concerns

    @query
    def members(self, ctx: Context, area: str, interval_ms: int) -> list[tuple[str, str, str, str, bool]]:
        """An area's connection points in an interval, by id: (point, feeder, utility, customer, prepaid)."""
        found: list[tuple[str, str, str, str, bool]] = []
        for feeder in area_of(ctx, area).feeders:
            prefix = f"member/{feeder}/{CONNECTION}/"
            for _, member in ctx.range(prefix, prefix[:-1] + "0", type=Member):
                for from_ms, until_ms, customer, prepaid in member.spans:
                    if from_ms <= interval_ms and (interval_ms < until_ms or not until_ms):
                        found.append((member.point, feeder, member.utility, customer, prepaid))
        return sorted(found)

    @query
    def on_feeder(self, ctx: Context, feeder: str, interval_ms: int) -> list[tuple[str, str]]:
        """Every point on a feeder in an interval, as (kind, point), in this order."""
        found: list[tuple[str, str]] = []
        for key, member in ctx.range(f"member/{feeder}/", f"member/{feeder}0", type=Member):
            for from_ms, until_ms, _, _ in member.spans:
                if from_ms <= interval_ms and (interval_ms < until_ms or not until_ms):
                    found.append((key.split("/")[2], member.point))
        return found

    @query
    def metered(self, ctx: Context, meter: str) -> Metered:
        """A meter, its point's ratings and the interval's length; for contracts and staff."""
        found = meter_of(ctx, meter)
        require_reader(ctx, found.utility)
        point = point_of(ctx, found.point)
        return Metered(
            meter=found,
            interval_ms=ground_of(ctx).interval_ms,
            import_rating_w=point.import_rating_w,
            export_rating_w=point.export_rating_w,
        )

    @query
    def last_meter(self, ctx: Context, point: str) -> str:
        """The meter that hangs at a point, or hung there last; '' if none ever did."""
        require_reader(ctx, point_of(ctx, point).utility)
        return last_hanging(ctx, point)

    @query
    def meter(self, ctx: Context, meter: str) -> Meter:
        found = meter_of(ctx, meter)
        require_reader(ctx, found.utility, meter, found.customer_key)
        return found

    @query
    def meter_by_pan(self, ctx: Context, pan: str) -> Meter:
        """The meter that takes the tokens of a PAN; anyone who may vend or share to it must find it."""
        meter = ctx.get("pan/" + pan, str)
        if meter is None:
            raise Unknown(f"no meter has the PAN {pan}")
        return meter_of(ctx, meter)

    @query
    def find_pan(self, ctx: Context, pan: str) -> Meter | None:
        """The same; nothing where no meter has the PAN. A contract must go on when somebody mistyped one."""
        meter = ctx.get("pan/" + pan, str)
        return None if meter is None else meter_of(ctx, meter)

    @query
    def point(self, ctx: Context, point: str) -> Point:
        return point_of(ctx, point)

    @query
    def spans(self, ctx: Context, point: str) -> list[Span]:
        """What held of a point, oldest first."""
        if not ctx.caller and not may_read_point(ctx, point, "bills"):
            raise NotYours(f"what held of {point} is read by its tenant, its utility and those they let")
        return spans_of(ctx, point)

    @query
    def span(self, ctx: Context, point: str, time_ms: int) -> Span | None:
        """What holds of a point at a time; nothing before it was added."""
        if not ctx.caller and not may_read_point(ctx, point, "bills"):
            raise NotYours(f"what holds of {point} is read by its tenant, its utility and those they let")
        return span_at(ctx, point, time_ms)

    @query
    def premises(self, ctx: Context, premises: str) -> Premises:
        return premises_of(ctx, premises)

    @query
    def customer(self, ctx: Context, customer: str) -> Customer:
        found = customer_of(ctx, customer)
        require_reader(ctx, found.utility, *found.wallets)
        return found

    @query
    def customer_of_wallet(self, ctx: Context, wallet: str) -> str:
        """The customer a wallet speaks for, '' if none."""
        return ctx.get("wallet/" + wallet, str) or ""

    @query
    def may_read(self, ctx: Context, point: str, scope: str) -> bool:
        """Whether the signer may read this of a point: its tenant, staff of its utility and of its feeder's operator
        (readings only), regulators, its meter, and whom the tenant lets."""
        return may_read_point(ctx, point, scope)

    @query
    def speaks_for(self, ctx: Context, point: str) -> str:
        """The customer of a point now, if the signer is one of its wallets, else ''."""
        span = span_at(ctx, point, ctx.time_ms)
        customer = ctx.get("wallet/" + ctx.creator.id, str)
        return customer if span is not None and customer and customer == span.customer else ""

    @query
    def claims(self, ctx: Context, premises: str) -> list[Claim]:
        """Claims that wait; for staff."""
        require_reader(ctx, premises_of(ctx, premises).utility)
        return [claim for _, claim in ctx.range(f"claim/{premises}/", f"claim/{premises}0", type=Claim)]

    @query
    def page(self, ctx: Context, kind: str, organisation: str, after: str = "", size: int = 100) -> Listed:
        """Ids of a kind and organisation, in order, from the one after `after` on; for staff and regulators.

        A meter with an identity is of no organisation's prefix: ask for its point.
        """
        require_reader(ctx, organisation)
        if kind not in KINDS or not 1 <= size <= PAGE_ITEMS:
            raise OutOfRange(f"a page has 1 to {PAGE_ITEMS} of {', '.join(KINDS)}")
        prefix = f"{kind}/{organisation}:"
        start = f"{kind}/{after} " if after else prefix
        page = ctx.page(start, prefix[:-1] + ";", size=size)
        ids = [key.removeprefix(kind + "/") for key, _ in page.items]
        return Listed(ids=ids, after=ids[-1] if page.bookmark else "")


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
