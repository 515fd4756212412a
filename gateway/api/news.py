"""What a block says that somebody may be waiting for, and who may be told how much of it. Pure.

    blocks        every block
    points:ID     what happens at a point: readings, credits, bills, trades, as far as the person may see each
    market:ID     orders, matches and clearings of a market; without names for whom they do not concern
    feeder:ID     what a feeder's transformer measures, its reports and alerts
    notices       what is for the person itself, or its organisation's staff

A piece of news has a place, its block's height and a number there: events count from 1, as in `/events`; 0 is the block
itself; a call that is news without an event stands behind them. So everybody's places are the same, whatever they
listen to, and whoever was away goes on after the last place that it was told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from gateway.api.scope import Scope, What, organisation_of
from gateway.readmodel.queries.ledger import BlockRow
from gateway.readmodel.queries.registry import PointRow
from ledgernode.errors import BadRequest

TOPICS: Final = 50
"""Of one listener."""
ALL: Final = (1 << 31) - 1
"""A number behind everything of its block."""
CALLS_FROM: Final = 1 << 24
"""Numbers of calls that have no event."""
BLOCKS: Final = "blocks"
NOTICES: Final = "notices"
_KINDS: Final = ("points", "market", "feeder")
_PLACE: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,10}))?")

_WHAT: Final[Mapping[str, What]] = {
    "metering": "readings", "market": "trades", "auction": "trades", "settlement": "trades",
}  # fmt: skip
"""What of a point a contract's events tell; the others tell of `bills`."""
_POINTS: Final = ("point", "seller_point", "buyer_point", "sender", "recipient")
_NAMES: Final = (
    *_POINTS, "customer", "account", "wallet", "payer", "owner", "beneficiary", "identity", "reader", "utility",
    "feeder", "premises",
)  # fmt: skip
"""Fields that name whom an event is about."""
_NOTICED: Final = frozenset(
    {
        "prepaid.LowCredit", "prepaid.SupplyBlocked", "prepaid.SupplyUnblocked", "prepaid.VendingBlocked",
        "prepaid.CreditMinted", "prepaid.CreditRedeemed", "prepaid.TokenRefused", "prepaid.ShareRequested",
        "prepaid.ShareCredited", "prepaid.ShareTimedOut", "prepaid.DebtAdded",
        "billing.InvoiceIssued", "billing.InvoicePaid", "billing.InvoiceOverdue", "billing.DunningChanged",
        "billing.Disputed", "billing.DisputeResolved", "billing.CreditNoteIssued", "billing.RunDone",
        "currency.Minted", "currency.Burned", "currency.Transferred", "currency.EscrowReleased",
        "currency.EscrowRefunded",
        "registry.ClaimMade", "registry.ClaimApproved", "registry.ClaimRefused", "registry.ConsentGiven",
        "registry.ConsentWithdrawn", "registry.MovedIn", "registry.MovedOut", "registry.MeterReplaced",
        "settlement.TradeAgreed", "settlement.TradeDone", "settlement.ShortfallPaid", "settlement.PoolUnfunded",
        "market.StrategyStopped", "market.StrategyStrayed", "identity.KeyReplaced",
        "identity.KeyRotated",
        "metering.TamperReported", "feeder.AlertOpened", "feeder.AlertCleared",
    }
)  # fmt: skip
_PUBLIC: Final = frozenset(
    {
        "market", "slot", "kind", "side", "order", "offer", "bid", "ask", "trade", "price_micro", "buyer_price_micro",
        "energy_wh", "volume_wh", "welfare_micro", "surplus_micro", "matches", "from_ms", "until_ms", "direction",
    }
)  # fmt: skip
"""Of a market's event, what everybody who is signed in may know."""
MOVING: Final = frozenset({"registry", "identity"})
"""After what these contracts say, somebody may see more or less than before."""


class Place(NamedTuple):
    """Where news stand; told to a listener as `height.number`, or `height` where all of a block is meant."""

    height: int
    number: int

    def __str__(self) -> str:
        return str(self.height) if self.number == ALL else f"{self.height}.{self.number}"


def read_place(text: str) -> Place:
    """Refuses what no listener was told."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise BadRequest("an event's id is HEIGHT.NUMBER, or HEIGHT")
    return Place(int(found[1]), ALL if found[2] is None else int(found[2]))


class Parties(NamedTuple):
    """Who and what a trade or an order is between, as the model has it."""

    market: str
    points: tuple[str, ...]


class News(msgspec.Struct, frozen=True):
    """One piece. `keys` are what listeners find it by."""

    place: Place
    time_ms: int
    keys: tuple[str, ...]
    contract: str = ""
    name: str = ""
    transaction: str = ""
    payload: Mapping[str, Any] | None = None
    block: BlockRow | None = None

    @property
    def is_many(self) -> bool:
        """It is about several at once, who may not know of each other."""
        return self.payload is not None and any(
            isinstance(self.payload.get(name), list) for name in ("points", "units")
        )


def of_block(row: BlockRow) -> News:
    return News(Place(row.height, 0), row.time_ms, (BLOCKS,), block=row)


class Told(NamedTuple):
    """An event, or a call that is taken for one."""

    place: Place
    time_ms: int
    contract: str
    name: str
    transaction: str
    payload: Mapping[str, Any]


def of_event(told: Told, trades: Mapping[int, Parties], orders: Mapping[int, Parties]) -> News:
    """An event, found by everything that it names, also by way of a trade or an order."""
    payload = told.payload
    named = [value for field in _NAMES if isinstance(value := payload.get(field), str) and value]
    points = [value for field in _POINTS if isinstance(value := payload.get(field), str) and ":" in value]
    points += [value for value in _listed(payload.get("points")) if isinstance(value, str)]
    markets = [value for value in (payload.get("market"),) if isinstance(value, str) and value]
    for fields, known in ((("trade",), trades), (("order", "offer", "bid", "ask"), orders)):
        for field in fields:
            parties = known.get(number) if isinstance(number := payload.get(field), int) else None
            if parties is not None:
                points += parties.points
                markets += [parties.market] if parties.market else []
    keys = [f"points:{point}" for point in points] + [f"market:{market}" for market in markets]
    if isinstance(feeder := payload.get("feeder"), str) and feeder:
        keys.append(f"feeder:{feeder}")
    if f"{told.contract}.{told.name}" in _NOTICED:
        concerned = {*named, *points}
        keys += [f"{NOTICES}:{one}" for one in sorted(concerned)]
        staff = {organisation_of(one) for one in concerned} | {str(payload.get("utility", ""))}
        keys += [f"{NOTICES}:@{one}" for one in sorted(staff - {""})] + [f"{NOTICES}:*"]
    place, time_ms, contract, name, transaction, _ = told
    return News(place, time_ms, tuple(dict.fromkeys(keys)), contract, name, transaction, payload)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


# ---------------------------------------------------------------- who listens to what


class Permit(NamedTuple):
    """How much of a topic a listener is told."""

    topic: str
    what: frozenset[What] | None = None
    """Of a point; None: whatever it is."""
    since_ms: int = 0
    whole: bool = False
    """News about several at once, and names in a market, too."""


def read_topics(text: str) -> tuple[str, ...]:
    """Each once. Refuses none, too many, and what is no topic."""
    topics = tuple(dict.fromkeys(text.split(",")))
    if len(topics) > TOPICS:
        raise BadRequest(f"at most {TOPICS} topics are listened to at once")
    for topic in topics:
        kind, _, which = topic.partition(":")
        if topic not in (BLOCKS, NOTICES) and not (kind in _KINDS and which):
            raise BadRequest(f"{topic[:60]!r} is no topic: {BLOCKS}, {NOTICES}, points:ID, market:ID, feeder:ID")
    return topics


def named(topic: str) -> tuple[str, str]:
    """(kind, id) of a topic that was read."""
    kind, _, which = topic.partition(":")
    return kind, which


def permits_of_point(scope: Scope, row: PointRow) -> Permit | None:
    """None where the person is not to know the point."""
    what: frozenset[What] = frozenset(one for one in ("readings", "bills", "trades") if scope.sees_point(row, one))
    if not what:
        return None
    whole = scope.sees_organisation(row.utility)
    return Permit(f"points:{row.point}", None if len(what) == 3 else what, scope.since_ms(row), whole)


def keys_of_notices(scope: Scope) -> list[str]:
    """Under what the person's own notices are found."""
    if scope.sees_all:
        return [f"{NOTICES}:*"]
    if scope.staff_of:
        return [f"{NOTICES}:@{scope.staff_of}", f"{NOTICES}:{scope.identity}"]
    return [f"{NOTICES}:{one}" for one in (scope.identity, scope.customer, *scope.points) if one]


def shown(news: News, permits: Iterable[Permit]) -> tuple[tuple[str, ...], Mapping[str, Any] | None]:
    """To a listener with these permits: the topics it is told it under, and how much of it. No topics: nothing."""
    topics: list[str] = []
    payload: Mapping[str, Any] | None = None
    for permit in permits:
        if permit.what is not None and _WHAT.get(news.contract, "bills") not in permit.what:
            continue
        if news.time_ms < permit.since_ms:
            continue
        topics.append(permit.topic)
        is_public = permit.topic.startswith("market:") and not permit.whole
        if is_public or (news.is_many and not permit.whole):
            part = {name: value for name, value in (news.payload or {}).items() if name in _PUBLIC}
            payload = payload or (part if is_public else None)
        else:
            payload = news.payload
    return tuple(topics), payload
