"""Tariff: prices as data, each version with the time from which it holds, decided by two people.

    tariff        under `tariff`, id and the time from which it holds; what held before stays readable for ever
    peer charges  under `peer`, utility and time: the levies and the tax on energy between customers
    rules         under `rules`, utility and time: how long before it holds a change is announced

A tariff that changes inside an interval holds from the next interval on: whoever prices an interval asks for its
start. Nothing is changed backwards, and nothing is removed.

Roles: admins and operators of the utility propose; another one of them approves. Everyone reads.
Events: Proposed, Approved, Withdrawn, TariffDecided, PeerChargesDecided, RulesDecided.
"""

from chaincode.access import require_id, require_staff
from chaincode.api import Context, Contract, Record, Refusal, query, transaction
from chaincode.approvals import Proposal, approved, proposals_of, propose, withdrawn
from chaincode.calendar import local, local_day
from chaincode.dated import dated_at, put_dated
from chaincode.pricing import (
    LEVIES_LIMIT,
    STEPS,
    Levy,
    Tariff,
    check,
    fixed_due,
    price_at,
    require_prepaid,
    sold,
    vend,
)
from chaincode.units import rate_times_amount
from chaincode.vended import Vending

LARGEST_NOTICE_MS = 366 * 86_400_000
LONGEST_FIXED_DAYS = 400
VERSIONS_LISTED = 200
VERSIONS_AHEAD = 4
RATE_LIMIT_MICRO = 1_000_000

# ---------------------------------------------------------------- records


class Rules(Record):
    """Under `rules`, utility, time."""

    notice_ms: int = 0


class PeerCharges(Record):
    """What customers pay on energy they buy from each other, beside price and grid fee."""

    levies: tuple[Levy, ...] = ()
    tax_micro: int = 0


class Terms(Record):
    """What a vend goes by, beside the price. `month` is year * 12 + month."""

    month: int
    day: int
    fixed_minor: int
    fixed_tax_minor: int
    tariff_class: int
    by_steps: bool


class Version(Record):
    """A tariff, and from when it holds."""

    from_ms: int
    tariff: Tariff


# ---------------------------------------------------------------- refusals


class TariffUnknown(Refusal):
    """No tariff of this id holds at that time."""

    code = "TARIFF_UNKNOWN"


class NoticeTooShort(Refusal):
    """A change is announced for a time before it holds."""

    code = "NOTICE_TOO_SHORT"


class ChargesInvalid(Refusal):
    """Levies or tax between customers are out of range."""

    code = "CHARGES_INVALID"


class TariffContract(Contract):
    name = "tariff"
    version = "1.0.0"

    # ------------------------------------------------------------ changing

    @transaction(roles=("admin", "operator"))
    def propose_tariff(self, ctx: Context, tariff: Tariff, from_ms: int) -> str:
        """Let a new tariff, or a new version of one, hold from a time on. Answers the proposal to approve.

        Refuses data that contradict themselves with TARIFF_INVALID.
        """
        require_id(tariff.id, tariff.utility)
        check(tariff)
        _require_notice(ctx, tariff.utility, from_ms)
        return propose(ctx, "tariff", tariff.utility, {"tariff": tariff, "from_ms": from_ms})

    @transaction(roles=("admin", "operator"))
    def propose_peer_charges(self, ctx: Context, utility: str, charges: PeerCharges, from_ms: int) -> str:
        """Levies and tax on energy between the utility's customers, from a time on."""
        if len(charges.levies) > LEVIES_LIMIT or not 0 <= charges.tax_micro <= RATE_LIMIT_MICRO:
            raise ChargesInvalid(f"at most {LEVIES_LIMIT} levies, and a tax of 0 to {RATE_LIMIT_MICRO} micro")
        for levy in charges.levies:
            if not levy.name or levy.price_micro < 0:
                raise ChargesInvalid("a levy has a name, and is not below zero")
        _require_notice(ctx, utility, from_ms)
        return propose(ctx, "peer_charges", utility, {"charges": charges, "from_ms": from_ms})

    @transaction(roles=("admin", "operator"))
    def propose_rules(self, ctx: Context, utility: str, rules: Rules, from_ms: int) -> str:
        """How long before it holds a change of this utility's tariffs is announced."""
        if not 0 <= rules.notice_ms <= LARGEST_NOTICE_MS:
            raise NoticeTooShort(f"a notice lasts 0 to {LARGEST_NOTICE_MS} ms")
        return propose(ctx, "rules", utility, {"rules": rules, "from_ms": from_ms})

    @transaction(roles=("admin", "operator"))
    def approve(self, ctx: Context, proposal: str) -> None:
        """A second person of the utility decides it."""
        found = approved(ctx, proposal)
        from_ms = int(found.values["from_ms"])
        if found.kind == "tariff":
            value = found.values["tariff"]
            _require_notice(ctx, found.organisation, from_ms)
            put_dated(ctx, "tariff", value["id"], from_ms, value)
            ctx.emit("TariffDecided", tariff=value["id"], utility=found.organisation, from_ms=from_ms)
        elif found.kind == "peer_charges":
            _require_notice(ctx, found.organisation, from_ms)
            put_dated(ctx, "peer", found.organisation, from_ms, found.values["charges"])
            ctx.emit("PeerChargesDecided", utility=found.organisation, from_ms=from_ms)
        else:
            put_dated(ctx, "rules", found.organisation, from_ms, found.values["rules"])
            ctx.emit("RulesDecided", utility=found.organisation, from_ms=from_ms)

    @transaction(roles=("admin", "operator"))
    def withdraw(self, ctx: Context, proposal: str) -> None:
        withdrawn(ctx, proposal)

    # ------------------------------------------------------------ reading

    @query
    def tariff(self, ctx: Context, id: str, at_ms: int) -> Tariff:
        """The version that holds at a time."""
        return _tariff(ctx, id, at_ms)

    @query
    def terms(self, ctx: Context, id: str, at_ms: int, from_day: int = 0) -> Terms | None:
        """What vending by a tariff at a time goes by: the local month and day, and the fixed charges since a local day.

        Nothing where no tariff holds. A day of 0 is that of the time itself; more than 400 days are not charged.
        """
        tariff: Tariff | None = dated_at(ctx, "tariff", id, at_ms, Tariff)
        if tariff is None:
            return None
        now, day = local(tariff.zone, at_ms), local_day(tariff.zone, at_ms)
        fixed_minor = fixed_due(tariff, max(from_day or day, day - LONGEST_FIXED_DAYS), day)
        digits = ctx.call("registry", "ground")["digits"]
        return Terms(
            month=now.year * 12 + now.month,
            day=day,
            fixed_minor=fixed_minor,
            fixed_tax_minor=rate_times_amount(tariff.tax_micro, fixed_minor, digits)[0],
            tariff_class=tariff.prepaid_class,
            by_steps=tariff.kind == STEPS,
        )

    @query
    def vend(self, ctx: Context, id: str, at_ms: int, amount_minor: int, vended_mwh: int) -> Vending:
        """The units that an amount buys at a time, after so many in the local month."""
        digits = ctx.call("registry", "ground")["digits"]
        return vend(_tariff(ctx, id, at_ms), amount_minor, vended_mwh, digits)

    @query
    def cost(self, ctx: Context, id: str, at_ms: int, units: int, vended_mwh: int) -> Vending:
        """What so many units cost at a time; refuses what cannot be vended."""
        tariff = _tariff(ctx, id, at_ms)
        require_prepaid(tariff)
        return sold(tariff, units, 0, vended_mwh, ctx.call("registry", "ground")["digits"])

    @query
    def price(self, ctx: Context, id: str, at_ms: int) -> int | None:
        """The import price per kWh at a time; None where no version holds, for contracts that must not fail."""
        found: Tariff | None = dated_at(ctx, "tariff", id, at_ms, Tariff)
        return None if found is None else price_at(found, at_ms)

    @query
    def versions(self, ctx: Context, id: str) -> list[Version]:
        """Every version, the oldest first, those that are yet to hold too."""
        found: list[Version] = []
        for key, value in ctx.matching("tariff", id, type=Tariff):
            if len(found) < VERSIONS_LISTED:
                found.append(Version(from_ms=int(ctx.parts(key)[2]), tariff=value))
        return found

    @query
    def ahead(self, ctx: Context, id: str, at_ms: int) -> list[Version]:
        """The version that holds at a time, where one does, and the first that are to follow it; the oldest first."""
        found: list[Version] = []
        for key, value in ctx.matching("tariff", id, type=Tariff, reverse=True):
            version = Version(from_ms=int(ctx.parts(key)[2]), tariff=value)
            found = [version, *found][:VERSIONS_AHEAD]
            if version.from_ms <= at_ms:
                break
        return found

    @query
    def peer_charges(self, ctx: Context, utility: str, at_ms: int) -> PeerCharges:
        """Levies and tax on energy between customers; none until some are decided."""
        found = dated_at(ctx, "peer", utility, at_ms, PeerCharges)
        return PeerCharges() if found is None else found

    @query
    def rules(self, ctx: Context, utility: str, at_ms: int) -> Rules:
        return _rules(ctx, utility, at_ms)

    @query
    def proposals(self, ctx: Context, organisation: str) -> list[Proposal]:
        """What waits for a second person."""
        return proposals_of(ctx, organisation)


def _tariff(ctx: Context, id: str, at_ms: int) -> Tariff:
    found: Tariff | None = dated_at(ctx, "tariff", id, at_ms, Tariff)
    if found is None:
        raise TariffUnknown(f"no tariff {id} holds at {at_ms} ms")
    return found


def _rules(ctx: Context, utility: str, at_ms: int) -> Rules:
    found: Rules | None = dated_at(ctx, "rules", utility, at_ms, Rules)
    return Rules() if found is None else found


def _require_notice(ctx: Context, utility: str, from_ms: int) -> None:
    """Refuses a change that would hold sooner than the utility's notice allows."""
    require_staff(ctx, utility)
    earliest_ms = ctx.time_ms + _rules(ctx, utility, ctx.time_ms).notice_ms
    if from_ms < earliest_ms:
        raise NoticeTooShort(f"a change of {utility} holds from {earliest_ms} ms at the earliest, not from {from_ms}")
