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

from chaincode.access import require_digest, require_direct, require_staff
from chaincode.api import Context, Contract, query, transaction
from chaincode.calendar import DAY_MS, MINUTE_MS, Zone
from chaincode.enrolling import (
    CONNECTION,
    TRANSFORMER,
    added_customer,
    added_point,
    added_premises,
    boundary_ms,
    changed,
    counted,
    hung,
    last_hanging,
    may_read_point,
    moved_in,
    new_id,
    next_boundary_ms,
    own_customer,
    rekeyed,
    require_free,
    require_identity,
    require_numbers,
    require_phases,
    require_reader,
    require_wallet_of,
    settled_claim,
    taken_down,
    tenant,
    with_wallet,
)
from chaincode.registered import (
    AlreadyEstablished,
    Area,
    AreaFull,
    Claim,
    ClaimsPending,
    Concentrator,
    Consent,
    Customer,
    Device,
    Feeder,
    Ground,
    House,
    Listed,
    Member,
    Meter,
    Metered,
    NotYours,
    OutOfRange,
    Point,
    PointOccupied,
    Premises,
    Span,
    Transformer,
    Unknown,
    Utility,
    Vacant,
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

AREA_FEEDERS = 20
HOUSES_AT_ONCE = 50
CLAIMS_WAITING = 10
PAGE_ITEMS = 100
KINDS = ("area", "concentrator", "customer", "feeder", "meter", "point", "premises", "transformer")
SCOPES = ("bills", "readings", "trades")

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
    def points(self, ctx: Context, area: str, from_ms: int, until_ms: int) -> tuple[list[str], int]:
        """An area's connection points in an interval, by id, and until when nothing of it changes (`until_ms` at most):
        neither who is a member nor which customer it has."""
        found: list[str] = []
        feeders = area_of(ctx, area).feeders
        for feeder in feeders:
            prefix = f"member/{feeder}/{CONNECTION}/"
            for _, member in ctx.range(prefix, prefix[:-1] + "0", type=Member):
                for begins_ms, ends_ms, _, _ in member.spans:
                    if begins_ms <= from_ms and (from_ms < ends_ms or not ends_ms):
                        found.append(member.point)
                    if from_ms < begins_ms < until_ms:
                        until_ms = begins_ms
                    if from_ms < ends_ms < until_ms:
                        until_ms = ends_ms
        return found if len(feeders) == 1 else sorted(found), until_ms

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
    def whose(self, ctx: Context, names: list[str]) -> list[tuple[str, int]]:
        """Those of these names that stand for somebody (a customer, a point, a meter), and since when they are the
        signer's own; -1: they are not, or one of two things of that name is not. Nodes ask it before they tell
        somebody of an event."""
        own = ctx.get("wallet/" + ctx.creator.id, str) or ""
        found: list[tuple[str, int]] = []
        for name in names:
            since_ms: list[int] = []
            if ctx.get("customer/" + name, Customer) is not None:
                since_ms.append(0 if name == own else -1)
            meter = ctx.get("meter/" + name, Meter)
            if meter is not None or ctx.get("point/" + name, Point) is not None:
                span = span_at(ctx, name if meter is None else meter.point, ctx.time_ms)
                since_ms.append(span.from_ms if span is not None and own != "" and span.customer == own else -1)
            if since_ms:
                found.append((name, -1 if -1 in since_ms else max(since_ms)))
        return found

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
