"""What a person may see: who it is, and what the ledger says of it. Pure; every route decides by it alone.

    nobody     nothing but what a ledger is
    customer   its own customer's points, bills, tokens and orders, and what others let it read of their points
    staff      what is of its own organisation; readings of points on its organisation's feeders
    regulator  everything

Blocks, validators, governance, contracts, tariffs and the books of markets are for whoever is signed in. The rules are
those of the contracts (`registry.may_read`, `currency.balance`, …) but for one that is stricter: who moves in does not
see what was used there before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.readmodel.queries.registry import PointRow
from gateway.sessions.tickets import Person
from ledgernode.identity.records import Role

STAFF: Final = (Role.ADMIN, Role.OPERATOR)
WORKING: Final = (*STAFF, Role.REGULATOR)
"""Who has pages to look at. Devices and nodes have ways of their own."""
PUBLIC_ROLES: Final = frozenset({"admin", "operator", "regulator", "validator", "gateway"})
"""Who speaks and works for organisations; customers and meters are nobody else's business."""
PUBLIC_CONTRACTS: Final = frozenset({"governance", "lifecycle", "evidence", "tariff"})
"""What is called there, everybody who is signed in may read."""
COUNTED: Final = frozenset(
    {"point", "customer", "feeder", "invoice", "account", "identity", "trade", "order", "market"}
)
"""Events about a number are filed under these words, as `trade:7`: no organisation is meant."""
NOW: Final = (1 << 63) - 1
"""Later than all that was."""
What = Literal["readings", "bills", "trades"]


class Home(NamedTuple):
    """A point of the person's customer, the meter there, and since when the customer lives there."""

    premises: str
    since_ms: int
    meter: str = ""


class Let(NamedTuple):
    """A consent that stands: what another customer's point lets the person read, until when, and how far back."""

    whose: str
    what: frozenset[str]
    until_ms: int
    since_ms: int


class Holdings(msgspec.Struct, frozen=True):
    """What the ledger has under a person's name, at a height."""

    customer: str = ""
    homes: Mapping[str, Home] = {}
    lets: Mapping[str, Let] = {}
    issuer: str = ""
    """The organisation that issues the currency: its people keep the accounts."""


class Scope(msgspec.Struct, frozen=True):
    """Answers of what may be seen. `now_ms` ends consents."""

    person: Person | None
    holdings: Holdings
    now_ms: int

    # ------------------------------------------------------------ who it is

    @property
    def identity(self) -> str:
        return self.person.identity if self.person is not None else ""

    @property
    def customer(self) -> str:
        """The customer that the person speaks for, '' if none."""
        return self.holdings.customer if self._is(Role.CUSTOMER) else ""

    @property
    def points(self) -> tuple[str, ...]:
        """The customer's own, in order."""
        return tuple(sorted(self.holdings.homes)) if self.customer else ()

    @property
    def sees_all(self) -> bool:
        return self._is(Role.REGULATOR)

    @property
    def staff_of(self) -> str:
        """The organisation that the person works for, '' if it does not or looks at all of them."""
        return self.person.organisation if self.person is not None and self.person.role in STAFF else ""

    def _is(self, role: Role) -> bool:
        return self.person is not None and self.person.role is role

    # ------------------------------------------------------------ what may be seen

    def sees_organisation(self, organisation: str) -> bool:
        """What an organisation keeps for itself: its feeders, runs, proposals, customers."""
        return self.sees_all or (bool(organisation) and self.staff_of == organisation)

    def may_list(self, organisation: str) -> bool:
        """What is an organisation's; of all organisations ('') for who sees all."""
        return self.sees_organisation(organisation) if organisation else self.sees_all

    def sees_customer(self, customer: str) -> bool:
        """Bills, payments, orders and whatever else stands under a customer's id."""
        return bool(customer) and (customer == self.customer or self.sees_organisation(organisation_of(customer)))

    def sees_point(self, point: PointRow, what: What = "bills") -> bool:
        """This of a point: its tenant, its utility's staff, its feeder's operator (readings only), who was let."""
        if self.sees_organisation(point.utility):
            return True
        if what == "readings" and self.sees_organisation(organisation_of(point.feeder)):
            return True
        return (bool(point.customer) and point.customer == self.customer) or self.is_let(
            point.point, what, point.customer
        )

    def knows_point(self, point: PointRow) -> bool:
        """That it exists: whoever sees anything of it."""
        return any(self.sees_point(point, what) for what in ("readings", "bills", "trades"))

    def is_let(self, point: str, what: What, customer: str) -> bool:
        """Whether `customer`, whose point it is, lets the person read this of it now."""
        let = self.holdings.lets.get(point) if self.identity else None
        return (
            let is not None
            and bool(customer)
            and let.whose == customer
            and what in let.what
            and self.now_ms < let.until_ms
        )

    def since_ms(self, point: PointRow) -> int:
        """From when on readings of a point that may be seen may be seen: for a tenant, since it lives there."""
        if self.sees_organisation(point.utility) or self.sees_organisation(organisation_of(point.feeder)):
            return 0
        if point.customer and point.customer == self.customer:
            return self.holdings.homes[point.point].since_ms if point.point in self.holdings.homes else self.now_ms
        let = self.holdings.lets.get(point.point)
        return let.since_ms if let is not None else self.now_ms

    def sees_account(self, account: str, organisation: str = "", role: str = "") -> bool:
        """A currency account: its owner, the issuer's people, regulators; of an organisation's own, its staff.

        `organisation` and `role` are those of the identity that owns it, '' where none does.
        """
        if account == self.identity and account:
            return True
        if self.sees_organisation(self.holdings.issuer):
            return True
        return role != Role.CUSTOMER and self.sees_organisation(organisation)

    def sees_call(self, contract: str, creator: str, organisation: str, time_ms: int = 0) -> bool:
        """The content of a transaction: its creator's business, and of the tenant whose meter it is.

        `organisation` is the creator's, '' if it is unknown; `time_ms` is when it was.
        """
        if contract in PUBLIC_CONTRACTS and self.person is not None:
            return True
        return self.is_self(creator) or self.sees_organisation(organisation) or self._is_meter(creator, time_ms)

    def _is_meter(self, creator: str, time_ms: int) -> bool:
        homes = self.holdings.homes.values() if self.customer and creator else ()
        return any(home.meter == creator and home.since_ms <= time_ms for home in homes)

    def is_self(self, identity: str) -> bool:
        return bool(identity) and identity == self.identity

    def concerns(self, subject: str, organisation: str = "", time_ms: int = NOW) -> bool:
        """Whether an event's subject is the person's: itself, its customer, its points; or its organisation's.

        `organisation` is that of a subject that is an identity, '' where it is none; `time_ms` is when it was.
        """
        if not subject or self.sees_all:
            return self.sees_all
        if self.customer and subject in self.holdings.homes and self.begun_ms(subject) <= time_ms:
            return True
        own = subject in (self.identity, self.customer)
        return own or self.sees_organisation(organisation or organisation_of(subject))

    def begun_ms(self, subject: str) -> int:
        """From when on events about something are the person's: of its home since it lives there."""
        home = self.holdings.homes.get(subject) if self.customer else None
        return home.since_ms if home is not None else 0

    def knows_identity(self, identity: str, organisation: str, role: str) -> bool:
        """That it exists, of which organisation and role: who speaks for an organisation is known to all."""
        public = self.person is not None and role in PUBLIC_ROLES
        return public or self.is_self(identity) or self.sees_organisation(organisation)

    def sees_name(self, identity: str, organisation: str, role: str) -> bool:
        """The name in its certificate as well: of people only to themselves and their organisation."""
        return role == Role.VALIDATOR or self.is_self(identity) or self.sees_organisation(organisation)


NOBODY: Final = Scope(None, Holdings(), 0)


def organisation_of(name: str) -> str:
    """Ids begin with their organisation; '' where none is named."""
    organisation, colon, _ = name.partition(":")
    return organisation if colon and organisation not in COUNTED else ""
