"""Commands of a utility to its meters: numbered for each meter without a gap, answered by the meter's signature.

A meter believes what validators have certified, and nothing that a gateway says besides. So whatever a utility wants of
a meter stands here first; the event carries it there, and the meter's answer stands here, with its code.

    message   text for the display                        by one of the staff
    terms     from which balance on credit is low         by one of the staff
    tariff    what a kWh costs from a time on             by one of the staff, the meter's question, or a timer
    clock     set the clock to this block's time          by two of the staff
    close     sign the final balance and clear it         by two of the staff
    unused    burn an identifier, sign that no token of it was taken     by two of the staff
    customer_key   the old customer key ends, a new one may be made at the keypad     by one of the staff and the tenant

    command    under `command`, number (of all meters): what was wanted, of whom, and what the meter said
    last       under `last`, meter: the number of its last command
    told       under `told`, meter: which price tables it was told
    asked      under `asked`, meter: when it asked for them
    round      under `round`, utility: how often its meters are told by themselves (0: never)

Prices are no free text: a table is what the tariff contract holds of the tariff that the registry gives a point, which
two people have decided. So one may send them, a meter may ask for its own, and a timer may go round: each meter is
told what it was not told before. A utility's rounds begin with the first question of one of its meters, once a day,
unless its staff has said how often; so nobody has to think of it.

Supply is blocked and opened in `prepaid`, deliveries are commanded in `settlement`, tokens prove themselves. What
becomes of a block of the supply the meter says here (`answer_supply`).

Roles: staff command, the tenant agrees to a new customer key, meters answer. Events: MeterCommanded, CommandAnswered,
SupplyAnswered, TariffsAnnounced, Proposed, Approved, Withdrawn.
"""

from typing import Any

from chaincode.access import organisation_of, require_direct, require_staff, require_text
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from chaincode.approvals import Proposal, approved, proposal_of, proposals_of, propose, withdrawn
from chaincode.calendar import DAY_MS
from chaincode.tables import TABLES, Place, Told, news, stretches, table_of, timeline

MESSAGE = "message"
TERMS = "terms"
TARIFF = "tariff"
CLOCK = "clock"
CLOSE = "close"
UNUSED = "unused"
CUSTOMER_KEY = "customer_key"
BY_TWO = (CLOCK, CLOSE, UNUSED)
MESSAGE_CHARACTERS = 32
CODE_CHARACTERS = 60
LARGEST_MWH = 999_999_900_000
LARGEST = 999_999_999_999
LARGEST_HEIGHT = 2_147_483_648
LARGEST_WITHIN = 4_294_967_296
LARGEST_TID = 16_777_215
PAGE_COMMANDS = 100
POINTS_AT_ONCE = 10
"""A meter is shown the whole receipt that it is told in, with what all the others were told there."""
EVERY_MS = (900_000, 31 * DAY_MS)
"""How often a utility's meters may be told by themselves: each quarter of an hour to once a month."""


class Command(Record):
    """Under `command`, number. `order` is its number among those of its meter; `code` is '' until it is answered."""

    number: int
    meter: str
    order: int
    point: str
    kind: str
    values: dict[str, Any]
    by: str
    sent_ms: int
    code: str = ""
    answered_ms: int = 0


class CommandUnknown(Refusal):
    """There is no such command, or it is none that is decided so."""

    code = "COMMAND_UNKNOWN"


class NoMeter(Refusal):
    """Nothing hangs at this point that could be told."""

    code = "NO_METER"


class OutOfRange(Refusal):
    """A number that a meter cannot mean."""

    code = "OUT_OF_RANGE"


class NotTheTenant(Refusal):
    """A customer key is reset by the utility and the tenant together."""

    code = "NOT_THE_TENANT"


class Commands(Contract):
    name = "commands"
    version = "1.0.0"

    # ------------------------------------------------------------ by one

    @transaction
    def message(self, ctx: Context, point: str, text: str) -> Command:
        """Show a text on a meter's display until a key is pressed."""
        utility, _ = found_at(ctx, point)
        require_staff(ctx, utility)
        require_text(text, MESSAGE_CHARACTERS, "text")
        return commanded(ctx, point, MESSAGE, {"text": text})

    @transaction
    def terms(self, ctx: Context, point: str, low_mwh: int) -> Command:
        """Say from which balance on a meter warns of low credit."""
        utility, _ = found_at(ctx, point)
        require_staff(ctx, utility)
        if not 0 <= low_mwh <= LARGEST_MWH:
            raise OutOfRange("credit is low somewhere between nothing and all that a meter holds")
        return commanded(ctx, point, TERMS, {"low_mwh": low_mwh})

    # ------------------------------------------------------------ tariffs

    @transaction
    def tariffs(self, ctx: Context, points: list[str], again: bool = False) -> int:
        """Tell meters what a kWh costs at their points, now and as it is decided: what each was not told before.

        `again`: all of it, to meters that may have lost it. Answers how many commands it took.
        """
        if not 1 <= len(points) <= POINTS_AT_ONCE:
            raise OutOfRange(f"1 to {POINTS_AT_ONCE} points at once")
        for point in points:
            require_staff(ctx, organisation_of(point))
        return sum([told_tariffs(ctx, point, again) for point in points])

    @transaction
    def announce(self, ctx: Context, every_ms: int = 0) -> None:
        """Tell all meters of the signer's utility their tariffs, by timers, as `tariffs` does; and again after each
        `every_ms` (0: this once, and no more by itself). Whoever calls it last sets how often."""
        utility = ctx.creator.organisation
        require_staff(ctx, utility)
        if every_ms and not EVERY_MS[0] <= every_ms <= EVERY_MS[1]:
            raise OutOfRange("meters are told each quarter of an hour to once a month, or once (0)")
        ctx.put(ctx.key("round", utility), every_ms)
        ctx.cancel("again/" + utility)
        ctx.schedule("announce/" + utility, ctx.time_ms, "go_on", utility=utility, after="", every_ms=every_ms, told=0)

    @transaction(roles=("meter",))
    def ask_tariffs(self, ctx: Context) -> int:
        """Tell the signing meter all that holds at its point, for it knows no price: answers by how many commands.

        Again within a day: no effect. With a utility's first question begins that its meters are told each day.
        """
        require_direct(ctx)
        meter = ctx.creator.id
        point: str = ctx.call("registry", "meter", meter=meter)["point"]
        utility, hanging = found_at(ctx, point)
        if hanging != meter:
            raise NoMeter(f"another meter hangs at {point}")
        asked_ms = ctx.get(ctx.key("asked", meter), int)
        if asked_ms is not None and ctx.time_ms < asked_ms + DAY_MS:
            return 0
        ctx.put(ctx.key("asked", meter), ctx.time_ms)
        if ctx.get(ctx.key("round", utility), int) is None:
            ctx.put(ctx.key("round", utility), DAY_MS)
            around_later(ctx, utility, DAY_MS)
        return told_tariffs(ctx, point, True)

    @transaction(roles=("timer",))
    def go_on(self, ctx: Context, utility: str, after: str, every_ms: int, told: int) -> None:
        """Tell the next points of a utility; by timer."""
        page = ctx.call("registry", "page", kind="point", organisation=utility, after=after, size=POINTS_AT_ONCE)
        for point in page["ids"]:
            told += told_tariffs(ctx, point, False)
        if page["after"]:
            more = {"utility": utility, "after": page["after"], "every_ms": every_ms, "told": told}
            ctx.schedule("announce/" + utility, ctx.time_ms, "go_on", **more)
            return
        ctx.emit("TariffsAnnounced", utility=utility, commands=told)
        if every_ms:
            around_later(ctx, utility, every_ms)

    # ------------------------------------------------------------ by two

    @transaction
    def propose_command(self, ctx: Context, point: str, kind: str, base: int = 0, tid: int = 0) -> str:
        """Propose what a second one of the staff must approve: clock, close, unused (with base and tid)."""
        utility, _ = found_at(ctx, point)
        if kind not in BY_TWO:
            raise CommandUnknown(f"two of the staff decide on {', '.join(BY_TWO)}")
        if not 0 <= base <= 9_999 or not 0 <= tid <= LARGEST_TID:
            raise OutOfRange("an identifier is a minute of 24 bits since its base date")
        values = {"base": base, "tid": tid} if kind == UNUSED else {}
        return propose(ctx, kind, utility, {"point": point, "values": values})

    @transaction
    def propose_customer_key(self, ctx: Context, point: str) -> str:
        """Propose that the tenant makes a new customer key; the tenant's wallet agrees to it."""
        utility, _ = found_at(ctx, point)
        return propose(ctx, CUSTOMER_KEY, utility, {"point": point, "values": {}})

    @transaction
    def approve(self, ctx: Context, proposal: str) -> Command:
        """Approve what another one of the staff has proposed; the meter is told."""
        if proposal_of(ctx, proposal).kind == CUSTOMER_KEY:
            raise NotTheTenant("the tenant agrees to a new customer key")
        found = approved(ctx, proposal)
        return commanded(ctx, found.values["point"], found.kind, found.values["values"])

    @transaction
    def agree(self, ctx: Context, proposal: str) -> Command:
        """Agree to a new customer key, by a wallet of the tenant; the meter is told."""
        require_direct(ctx)
        found = proposal_of(ctx, proposal)
        point = found.values["point"]
        if found.kind != CUSTOMER_KEY or not ctx.call("registry", "speaks_for", point=point):
            raise NotTheTenant("a wallet of the tenant agrees to a new customer key")
        ctx.delete(ctx.key("proposal", proposal))
        return commanded(ctx, point, CUSTOMER_KEY, {})

    @transaction
    def withdraw(self, ctx: Context, proposal: str) -> None:
        """Forget a proposal; anyone of the organisation's staff may."""
        withdrawn(ctx, proposal)

    # ------------------------------------------------------------ answers

    @transaction(roles=("meter",))
    def answer(self, ctx: Context, number: int, code: str) -> Command:
        """What the signing meter did with its command of this number (its own); again: no effect."""
        require_direct(ctx)
        require_text(code, CODE_CHARACTERS, "code")
        place = ctx.get(ctx.key("of", ctx.creator.id, number_text(number)), int)
        if place is None:
            raise CommandUnknown(f"this meter was given no command {number}")
        found = command_of(ctx, place)
        if found.code:
            return found
        found = found.replace(code=code, answered_ms=ctx.time_ms)
        ctx.put(ctx.key("command", number_text(place)), found)
        ctx.emit("CommandAnswered", command=place, meter=found.meter, number=number, kind=found.kind, code=code)
        return found

    @transaction(roles=("meter",))
    def answer_supply(self, ctx: Context, height: int, within: int, code: str) -> None:
        """What the signing meter did when its supply was blocked or opened, at this height and place in its block."""
        require_direct(ctx)
        require_text(code, CODE_CHARACTERS, "code")
        if not 0 <= height < LARGEST_HEIGHT or not 0 <= within < LARGEST_WITHIN:
            raise OutOfRange("no event of a ledger stands there")
        ctx.emit("SupplyAnswered", height=height, within=within, meter=ctx.creator.id, code=code)

    # ------------------------------------------------------------ questions

    @query
    def command(self, ctx: Context, number: int) -> Command:
        return command_of(ctx, number)

    @query
    def commands(self, ctx: Context, meter: str, after: int = 0) -> list[Command]:
        """Those of a meter by its own numbers, the first hundred after `after`."""
        found: list[Command] = []
        for key, place in ctx.matching("of", meter, type=int):
            if int(ctx.parts(key)[2]) > after and len(found) < PAGE_COMMANDS:
                found.append(command_of(ctx, place))
        return found

    @query
    def proposals(self, ctx: Context, organisation: str) -> list[Proposal]:
        """What waits for a second person of an organisation, or for a tenant."""
        return proposals_of(ctx, organisation)


def found_at(ctx: Context, point: str) -> tuple[str, str]:
    """A point's utility and the meter that hangs there. Refuses a point without one."""
    meter: str = ctx.call("registry", "point", point=point)["meter"]
    if not meter:
        raise NoMeter(f"no meter hangs at {point}")
    return organisation_of(point), meter


def around_later(ctx: Context, utility: str, every_ms: int) -> None:
    """Go round a utility's meters when so much time has passed."""
    fresh = {"utility": utility, "after": "", "every_ms": every_ms, "told": 0}
    ctx.schedule("again/" + utility, ctx.time_ms + every_ms, "go_on", **fresh)


def told_tariffs(ctx: Context, point: str, again: bool) -> int:
    """Tell the meter at a point what it was not told of its tariffs; answers by how many commands. None: no effect."""
    meter: str = ctx.call("registry", "point", point=point)["meter"]
    if not meter:
        return 0
    known = ctx.get(ctx.key("told", meter), Told)
    told = [] if known is None or again else known.places
    found: list[tuple[Place, dict[str, Any] | None]] = []
    for stretch in stretches(ctx.call("registry", "spans", point=point), ctx.time_ms):
        versions: list[dict[str, Any]] = []
        if stretch.tariff:
            at_ms = max(stretch.from_ms, ctx.time_ms)
            versions = ctx.call("tariff", "ahead", id=stretch.tariff, at_ms=at_ms)
        found += timeline(stretch, versions, ctx.time_ms)
    found = found[:TABLES]
    places = [place for place, _ in found]
    fresh = news(places, told)
    for at in fresh:
        place, tariff = found[at]
        values = {"tariff": place.tariff, "from_ms": place.from_ms, "version_ms": place.version_ms}
        commanded(ctx, point, TARIFF, values, {"table": table_of(tariff, place.from_ms)})
    if fresh:
        ctx.put(ctx.key("told", meter), Told(places=places))
    return len(fresh)


def commanded(
    ctx: Context, point: str, kind: str, values: dict[str, Any], said: dict[str, Any] | None = None
) -> Command:
    """Number it, keep it, tell the meter that hangs there now; what is `said` besides stands in the event alone."""
    _, meter = found_at(ctx, point)
    number = (ctx.get("commands", int) or 0) + 1
    order = (ctx.get(ctx.key("last", meter), int) or 0) + 1
    found = Command(
        number=number,
        meter=meter,
        order=order,
        point=point,
        kind=kind,
        values=values,
        by=ctx.creator.id,
        sent_ms=ctx.time_ms,
    )
    ctx.put("commands", number)
    ctx.put(ctx.key("last", meter), order)
    ctx.put(ctx.key("command", number_text(number)), found)
    ctx.put(ctx.key("of", meter, number_text(order)), number)
    ctx.emit("MeterCommanded", command=number, meter=meter, number=order, kind=kind, **values, **(said or {}))
    return found


def command_of(ctx: Context, number: int) -> Command:
    found = ctx.get(ctx.key("command", number_text(number)), Command)
    if found is None:
        raise CommandUnknown(f"there is no command {number}")
    return found


def number_text(number: int) -> str:
    if not 0 <= number <= LARGEST:
        raise OutOfRange("a number has at most 12 digits")
    return f"{number:012d}"
