"""The contract `lifecycle`: how a package becomes the code behind a name.

    install ──▶ approve, by one admin of each organisation ──▶ commit at a height

A package is named by its hash and never changes. What counts as approved says the ledger's policy over
the organisations that are active. From its height on the committed package answers to the name; older
blocks replay with the code of their day. Committing uses the approvals up: to go back to an older package
takes new ones.

The check for determinism guards against mistakes; what guards against malice is that the organisations
read what they approve.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from chaincode.api import Contract, Record, Refusal, query, transaction
from ledgernode.errors import BadPackage, NotApproved, UnknownContract, UnknownPackage
from ledgernode.execution.sandbox.loaded import PACKAGES
from ledgernode.execution.sandbox.package import package_hash as hash_of
from ledgernode.execution.sandbox.package import parse_package
from ledgernode.execution.system.access import SystemContext, answered, require_direct
from ledgernode.execution.system.index import entries, entry
from ledgernode.execution.system.policy import Tally
from ledgernode.execution.system.standing import parameters_in_force
from ledgernode.identity.records import (
    GOVERNANCE,
    LIFECYCLE,
    SYSTEM_CONTRACTS,
    CommittedRecord,
    CommittedVersion,
    PackageRecord,
    Role,
    committed_key,
    package_key,
)

CHECK_UNITS_PER_BYTE = 1
"""Less than checking takes, so that the largest package fits the default budget: who may install answers for it."""
ACTIVATION_AHEAD = 100_000
"""How many blocks ahead a commit may take effect: until then nothing else can replace it."""
_APPROVALS = "approval"


class InstalledAlready(Refusal):
    """This very package is installed."""

    code = "INSTALLED_ALREADY"


class ApprovedAlready(Refusal):
    """The organisation has approved this package for this name."""

    code = "APPROVED_ALREADY"


class CommittedAlready(Refusal):
    """This package is what is committed last under the name."""

    code = "COMMITTED_ALREADY"


class WrongHeight(Refusal):
    """The height lies too far ahead, or not above the last committed one."""

    code = "WRONG_HEIGHT"


class WrongName(Refusal):
    """The package is of another contract."""

    code = "WRONG_NAME"


class Approval(Record):
    """One organisation's approval, and the admin who gave it."""

    organisation: str
    identity: str
    time_ms: int


class Readiness(Record):
    """What a package still needs before it can be committed."""

    ready: bool
    needed: int
    approved: tuple[str, ...]
    missing: tuple[str, ...]


class Lifecycle(Contract):
    name = LIFECYCLE
    version = "1"

    # ------------------------------------------------------------ transactions

    @transaction
    def install(self, ctx: SystemContext, package: str) -> str:
        """Store a package (base64) for all to read; answers its hash. An admin or operator.

        Refuses a malformed or too large package, one that is not deterministic or does not load, a reserved
        name, and a package that is installed.
        """
        require_direct(ctx, Role.ADMIN, Role.OPERATOR)
        raw = _decoded(package)
        ctx.charge(len(raw) * CHECK_UNITS_PER_BYTE)
        parsed = parse_package(raw, parameters_in_force(ctx).package_bytes)
        _require_free(parsed.name)
        found = hash_of(raw)
        PACKAGES.get(found, lambda: raw)  # some rules show only when the code is put together
        if ctx.get(package_key(found), PackageRecord) is not None:
            raise InstalledAlready(f"package {found[:16]} is installed already")
        ctx.put(package_key(found), PackageRecord(parsed.name, parsed.version, raw))
        ctx.emit("PackageInstalled", name=parsed.name, version=parsed.version, package_hash=found, by=ctx.creator.id)
        return found

    @transaction
    def approve(self, ctx: SystemContext, name: str, package_hash: str) -> None:
        """Approve a package for a name, for the admin's organisation."""
        require_direct(ctx, Role.ADMIN)
        _package(ctx, name, package_hash)
        _require_not_last(ctx, name, package_hash)
        organisation = ctx.creator.organisation
        place = entry(_APPROVALS, name, package_hash, organisation)
        if ctx.get(place, Approval) is not None:
            raise ApprovedAlready(f"{organisation} has approved package {package_hash[:16]} already")
        ctx.put(place, Approval(organisation=organisation, identity=ctx.creator.id, time_ms=ctx.time_ms))
        ctx.emit("PackageApproved", name=name, package_hash=package_hash, organisation=organisation, by=ctx.creator.id)

    @transaction
    def withdraw(self, ctx: SystemContext, name: str, package_hash: str) -> None:
        """Take the organisation's approval back, while the package is not committed."""
        require_direct(ctx, Role.ADMIN)
        organisation = ctx.creator.organisation
        place = entry(_APPROVALS, name, package_hash, organisation)
        if ctx.get(place, Approval) is None:
            raise NotApproved(f"{organisation} has not approved package {package_hash[:16]} for {name[:32]}")
        ctx.delete(place)
        ctx.emit(
            "ApprovalWithdrawn", name=name, package_hash=package_hash, organisation=organisation, by=ctx.creator.id
        )

    @transaction
    def commit(self, ctx: SystemContext, name: str, package_hash: str, height: int = 0) -> int:
        """Let the name be answered by this package from a height on; answers that height. An admin.

        The height is the one given, and at the earliest the next block's. Refuses before the policy is
        satisfied, a height not above the last committed version's, and one too far ahead.
        """
        require_direct(ctx, Role.ADMIN)
        package = _package(ctx, name, package_hash)
        _require_not_last(ctx, name, package_hash)
        _require_approved(ctx, name, package_hash)
        from_height = max(height, ctx.height + 1)
        versions = _versions(ctx, name)
        if from_height > ctx.height + ACTIVATION_AHEAD:
            raise WrongHeight(f"a commit takes effect within {ACTIVATION_AHEAD} blocks, not at {from_height}")
        if versions and from_height <= versions[-1].height:
            raise WrongHeight(f"{name} has a version from block {versions[-1].height}: the next comes after it")
        committed = CommittedVersion(from_height, package_hash, package.version)
        ctx.put(committed_key(name), CommittedRecord(name, (*versions, committed)))
        for approval in _approvals(ctx, name, package_hash):
            ctx.delete(entry(_APPROVALS, name, package_hash, approval.organisation))
        ctx.emit("ContractCommitted", name=name, version=package.version, package_hash=package_hash, height=from_height)
        return from_height

    # ------------------------------------------------------------ queries

    @query
    def describe(self, ctx: SystemContext, name: str) -> CommittedRecord:
        """Every version of a contract, oldest first."""
        return answered(CommittedRecord(name, _versions(ctx, name, required=True)))

    @query
    def package(self, ctx: SystemContext, package_hash: str) -> str:
        """An installed package, base64: what an organisation reads before it approves."""
        return base64.b64encode(_installed(ctx, package_hash).package).decode("ascii")

    @query
    def approvals(self, ctx: SystemContext, name: str, package_hash: str) -> tuple[Approval, ...]:
        """Who has approved a package for a name, and it is not yet committed."""
        return _approvals(ctx, name, package_hash)

    @query
    def readiness(self, ctx: SystemContext, name: str, package_hash: str) -> Readiness:
        """Whether a package can be committed, and whose approval could still help."""
        _package(ctx, name, package_hash)
        given = [approval.organisation for approval in _approvals(ctx, name, package_hash)]
        active = ctx.call(GOVERNANCE, "policy")["active"]
        counted = _count(ctx, given)
        return Readiness(
            ready=counted.satisfied,
            needed=counted.needed,
            approved=tuple(sorted(given)),
            missing=tuple(sorted(set(active) - set(given))),
        )

    @query
    def list(self, ctx: SystemContext) -> tuple[CommittedRecord, ...]:
        """Every contract with its versions, by name."""
        return answered(tuple(record for _, record in ctx.matching("committed", type=CommittedRecord)))


def _decoded(package: str) -> bytes:
    try:
        return base64.b64decode(package, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadPackage("a package travels as base64 text") from error


def _require_free(name: str) -> None:
    if name in SYSTEM_CONTRACTS or name.startswith("_"):
        raise BadPackage(f"the name {name} is reserved for the ledger itself")


def _installed(ctx: SystemContext, package_hash: str) -> PackageRecord:
    record = ctx.get(package_key(package_hash), PackageRecord)
    if record is None:
        raise UnknownPackage(f"no package {package_hash[:16]} is installed")
    return record


def _package(ctx: SystemContext, name: str, package_hash: str) -> PackageRecord:
    """The installed package; refuses one of another contract than this name's."""
    record = _installed(ctx, package_hash)
    if record.name != name:
        raise WrongName(f"package {package_hash[:16]} is of contract {record.name}, not of {name[:32]}")
    return record


def _versions(ctx: SystemContext, name: str, *, required: bool = False) -> tuple[CommittedVersion, ...]:
    record = ctx.get(committed_key(name), CommittedRecord)
    if record is None and required:
        raise UnknownContract(f"no contract {name[:32]} is committed on this ledger")
    return record.versions if record else ()


def _require_not_last(ctx: SystemContext, name: str, package_hash: str) -> None:
    versions = _versions(ctx, name)
    if versions and versions[-1].package_hash == package_hash:
        raise CommittedAlready(f"package {package_hash[:16]} is the last committed version of {name}")


def _approvals(ctx: SystemContext, name: str, package_hash: str) -> tuple[Approval, ...]:
    return tuple(msgspec.convert(value, type=Approval) for _, value in entries(ctx, _APPROVALS, name, package_hash))


def _count(ctx: SystemContext, organisations: Sequence[str]) -> Tally:
    return msgspec.convert(ctx.call(GOVERNANCE, "count", approvals=organisations), type=Tally)


def _require_approved(ctx: SystemContext, name: str, package_hash: str) -> None:
    counted = _count(ctx, [approval.organisation for approval in _approvals(ctx, name, package_hash)])
    if not counted.satisfied:
        raise NotApproved(
            f"package {package_hash[:16]} has {counted.approving} of the {counted.needed} approvals "
            f"it needs from {counted.active} organisations"
        )
