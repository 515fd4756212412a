"""Identities, validators, evidence; what the organisations decide; contracts; what waits for a second person."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.queries.pages import DEFAULT_SIZE, Page, Placed, all_of, beginning, one_of, page_of, rows_of
from gateway.readmodel.tables.ledger import (
    FAULTS,
    GOVERNANCE,
    GOVERNANCE_VOTES,
    IDENTITIES,
    IDENTITY_KEYS,
    ORGANISATIONS,
    PACKAGE_APPROVALS,
    PACKAGES,
    PROPOSALS,
    RULES,
    UNREAD,
    VALIDATOR_SETS,
)
from ledgernode.wire.quorum import faulty_limit, quorum
from ledgernode.wire.validators import parse_set


class IdentityRow(Placed, frozen=True):
    identity: str
    organisation: str
    role: str
    name: str
    status: str
    public_key: str
    registered_ms: int


class KeyRow(Placed, frozen=True):
    """A key that an identity has or had; `overlap_until_ms`: until when the one before it holds, too."""

    public_key: str
    overlap_until_ms: int


class OrganisationRow(Placed, frozen=True):
    organisation: str
    status: str


class Seat(msgspec.Struct, frozen=True):
    position: int
    identity: str
    organisation: str
    public_key: str


class Epoch(msgspec.Struct, frozen=True):
    """The validators of an epoch, and what decides among them."""

    epoch: int
    from_height: int
    seats: tuple[Seat, ...]
    quorum: int
    may_fail: int


class FaultRow(Placed, frozen=True):
    fault: str
    member: str
    organisation: str
    ballot: str
    epoch: int
    fault_height: int
    reported_by: str


class GovernanceRow(Placed, frozen=True):
    proposal: str
    kind: str
    organisation: str
    proposer: str
    stage: str
    change: msgspec.Raw
    made_ms: int
    expires_ms: int
    closed_ms: int


class VoteRow(Placed, frozen=True):
    organisation: str
    vote: str
    voter: str


class PackageRow(Placed, frozen=True):
    name: str
    package_hash: str
    version: str
    installed_by: str
    committed_height: int


class PackageApproval(Placed, frozen=True):
    organisation: str
    approved_by: str
    withdrawn: bool


class ProposalRow(Placed, frozen=True):
    """Of a contract, by one of the staff; open until another has decided."""

    contract: str
    proposal: str
    kind: str
    organisation: str
    proposer: str
    function: str
    arguments: msgspec.Raw
    status: str
    decided_by: str
    proposed_ms: int
    decided_ms: int


class RuleRow(Placed, frozen=True):
    contract: str
    owner: str
    from_ms: int
    proposal: str


class UnreadRow(msgspec.Struct, frozen=True):
    height: int
    number: int
    position: int
    event: str
    reason: str


async def identities(
    connection: AsyncConnection,
    *,
    organisation: str = "",
    role: str = "",
    public: Collection[str] = (),
    insider: str = "",
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[IdentityRow]:
    """By organisation, role and id. With `public`, these roles alone, but for those of the organisation `insider`."""
    question = rows_of(IdentityRow, IDENTITIES)
    if organisation:
        question = question.where(IDENTITIES.c.organisation == organisation)
    if role:
        question = question.where(IDENTITIES.c.role == role)
    if public:
        question = question.where(or_(IDENTITIES.c.role.in_(sorted(public)), IDENTITIES.c.organisation == insider))
    keys = [IDENTITIES.c.organisation, IDENTITIES.c.role, IDENTITIES.c.identity]
    return await page_of(connection, IdentityRow, question, keys, size=size, after=after, newest_first=False)


async def identity(connection: AsyncConnection, which: str) -> IdentityRow | None:
    return await one_of(connection, IdentityRow, rows_of(IdentityRow, IDENTITIES).where(IDENTITIES.c.identity == which))


async def identity_of_key(connection: AsyncConnection, public_key: str) -> IdentityRow | None:
    """Whose key this is or was (hex, 65 bytes)."""
    owner = select(IDENTITY_KEYS.c.identity).where(IDENTITY_KEYS.c.public_key == public_key).scalar_subquery()
    return await one_of(connection, IdentityRow, rows_of(IdentityRow, IDENTITIES).where(IDENTITIES.c.identity == owner))


async def keys(connection: AsyncConnection, which: str) -> tuple[KeyRow, ...]:
    question = rows_of(KeyRow, IDENTITY_KEYS).where(IDENTITY_KEYS.c.identity == which)
    return await all_of(connection, KeyRow, question.order_by(IDENTITY_KEYS.c.height))


async def organisations(connection: AsyncConnection) -> tuple[OrganisationRow, ...]:
    question = rows_of(OrganisationRow, ORGANISATIONS).order_by(ORGANISATIONS.c.organisation)
    return await all_of(connection, OrganisationRow, question)


async def epochs(connection: AsyncConnection, *, size: int = DEFAULT_SIZE) -> tuple[Epoch, ...]:
    """Every set of validators, newest first."""
    question = select(VALIDATOR_SETS).order_by(VALIDATOR_SETS.c.epoch.desc()).limit(size)
    found = []
    for row in (await connection.execute(question)).mappings():
        members = parse_set(row["encoded"]).members
        seats = tuple(
            Seat(at, member.identity.hex(), member.organisation, member.public_key.hex())
            for at, member in enumerate(members)
        )
        found.append(Epoch(row["epoch"], row["from_height"], seats, quorum(len(seats)), faulty_limit(len(seats))))
    return tuple(found)


async def faults(connection: AsyncConnection, *, size: int = DEFAULT_SIZE, after: str = "") -> Page[FaultRow]:
    """Validators that have contradicted themselves, newest first."""
    order: list[ColumnElement[object]] = [FAULTS.c.height, FAULTS.c.fault]
    return await page_of(connection, FaultRow, rows_of(FaultRow, FAULTS), order, size=size, after=after)


async def governance(
    connection: AsyncConnection, *, stage: str = "", size: int = DEFAULT_SIZE, after: str = ""
) -> Page[GovernanceRow]:
    """What organisations have proposed, newest first."""
    question = rows_of(GovernanceRow, GOVERNANCE)
    if stage:
        question = question.where(GOVERNANCE.c.stage == stage)
    order: list[ColumnElement[object]] = [GOVERNANCE.c.made_ms, GOVERNANCE.c.proposal]
    return await page_of(connection, GovernanceRow, question, order, size=size, after=after)


async def governance_proposal(connection: AsyncConnection, which: str) -> GovernanceRow | None:
    return await one_of(
        connection, GovernanceRow, rows_of(GovernanceRow, GOVERNANCE).where(GOVERNANCE.c.proposal == which)
    )


async def votes(connection: AsyncConnection, proposal: str) -> tuple[VoteRow, ...]:
    question = rows_of(VoteRow, GOVERNANCE_VOTES).where(GOVERNANCE_VOTES.c.proposal == proposal)
    return await all_of(connection, VoteRow, question.order_by(GOVERNANCE_VOTES.c.organisation))


async def packages(connection: AsyncConnection, *, name: str = "") -> tuple[PackageRow, ...]:
    """Contracts and their versions, the one committed last first."""
    question = rows_of(PackageRow, PACKAGES)
    if name:
        question = question.where(PACKAGES.c.name == name)
    order = PACKAGES.c.name, PACKAGES.c.committed_height.desc(), PACKAGES.c.package_hash
    return await all_of(connection, PackageRow, question.order_by(*order))


async def package_approvals(connection: AsyncConnection, name: str, package_hash: str) -> tuple[PackageApproval, ...]:
    own = PACKAGE_APPROVALS.c.name == name, PACKAGE_APPROVALS.c.package_hash == package_hash
    question = rows_of(PackageApproval, PACKAGE_APPROVALS).where(*own)
    return await all_of(connection, PackageApproval, question.order_by(PACKAGE_APPROVALS.c.organisation))


async def proposals(
    connection: AsyncConnection,
    *,
    organisation: str = "",
    status: str = "open",
    contract: str = "",
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[ProposalRow]:
    """What staff of an organisation have proposed, newest first."""
    question = rows_of(ProposalRow, PROPOSALS).where(PROPOSALS.c.status == status)
    if organisation:
        question = question.where(PROPOSALS.c.organisation == organisation)
    if contract:
        question = question.where(PROPOSALS.c.contract == contract)
    order: list[ColumnElement[object]] = [PROPOSALS.c.proposed_ms, PROPOSALS.c.contract, PROPOSALS.c.proposal]
    return await page_of(connection, ProposalRow, question, order, size=size, after=after)


async def proposal(connection: AsyncConnection, contract: str, which: str) -> ProposalRow | None:
    own = PROPOSALS.c.contract == contract, PROPOSALS.c.proposal == which
    return await one_of(connection, ProposalRow, rows_of(ProposalRow, PROPOSALS).where(*own))


async def rules(connection: AsyncConnection, *, contract: str, owner: str) -> tuple[RuleRow, ...]:
    """From when which rules hold, the latest first; their content stands in the proposal."""
    question = rows_of(RuleRow, RULES).where(RULES.c.contract == contract, RULES.c.owner == owner)
    return await all_of(connection, RuleRow, question.order_by(RULES.c.from_ms.desc()))


async def unread(connection: AsyncConnection, *, size: int = DEFAULT_SIZE, after: str = "") -> Page[UnreadRow]:
    """Events that this version could not read."""
    order: list[ColumnElement[object]] = [UNREAD.c.height, UNREAD.c.number]
    return await page_of(connection, UnreadRow, rows_of(UnreadRow, UNREAD), order, size=size, after=after)


async def roles(connection: AsyncConnection, organisation: str) -> dict[str, int]:
    """How many identities of each role an organisation has."""
    question = select(IDENTITIES.c.role, func.count()).where(IDENTITIES.c.organisation == organisation)
    rows = await connection.execute(question.group_by(IDENTITIES.c.role).order_by(IDENTITIES.c.role))
    return {row[0]: row[1] for row in rows}


async def organisations_of(connection: AsyncConnection, identities: Collection[str]) -> dict[str, str]:
    """Which organisation each of these is of; those that are no identities are left out."""
    if not identities:
        return {}
    question = select(IDENTITIES.c.identity, IDENTITIES.c.organisation)
    rows = await connection.execute(question.where(IDENTITIES.c.identity.in_(sorted(identities))))
    return {row[0]: row[1] for row in rows}


async def named(connection: AsyncConnection, prefix: str, *, size: int = 10) -> tuple[IdentityRow, ...]:
    """Identities whose certificate's name begins so."""
    question = rows_of(IdentityRow, IDENTITIES).where(beginning(IDENTITIES.c.name, prefix))
    return await all_of(connection, IdentityRow, question.order_by(IDENTITIES.c.name).limit(size))
