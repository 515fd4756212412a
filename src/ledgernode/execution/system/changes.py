"""What can be proposed: one value per kind, with the fields a proposal of that kind carries.

`policy` beside a change of the membership is the policy that follows it; empty keeps the present
one. "N of M" is exact about M, so under it each such change must name the policy that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from ledgernode.errors import BadArguments

FIRST_ADMINS = 16
"""Of an organisation that joins; it registers further ones itself."""


class _Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every change refuses a field it does not know."""


class ChangeParameters(_Fields, frozen=True):
    """Any parameters of the ledger, by name."""

    changes: dict[str, Any]


class ChangePolicy(_Fields, frozen=True):
    policy: str


class MoveExecution(_Fields, frozen=True):
    """From block `height` on, blocks are executed by the next version of the rules."""

    version: int
    height: int


class AddOrganisation(_Fields, frozen=True):
    """Certificates are PEM: `roots` stand alone, each of `admins` is followed by its issuing authority."""

    name: str
    roots: tuple[str, ...]
    admins: Annotated[tuple[str, ...], msgspec.Meta(max_length=FIRST_ADMINS)]
    policy: str = ""


class SuspendOrganisation(_Fields, frozen=True):
    """Its signers are refused until it is resumed; its validators stay in the set."""

    name: str
    policy: str = ""


class ResumeOrganisation(_Fields, frozen=True):
    name: str
    policy: str = ""


class RemoveOrganisation(_Fields, frozen=True):
    """For ever. Its validators must be removed before."""

    name: str
    policy: str = ""


class AddRoot(_Fields, frozen=True):
    organisation: str
    root: str


class RetireRoot(_Fields, frozen=True):
    """What it certified stays registered; it certifies nothing new."""

    organisation: str
    root: str


class AddAdmin(_Fields, frozen=True):
    """For an organisation that has lost every admin key of its own."""

    certificate: str


class AddValidator(_Fields, frozen=True):
    certificate: str
    endpoint: str
    override: bool = False


class RemoveValidator(_Fields, frozen=True):
    identity: str
    override: bool = False


class ChangeEndpoint(_Fields, frozen=True):
    identity: str
    endpoint: str


Change = (
    ChangeParameters
    | ChangePolicy
    | MoveExecution
    | AddOrganisation
    | SuspendOrganisation
    | ResumeOrganisation
    | RemoveOrganisation
    | AddRoot
    | RetireRoot
    | AddAdmin
    | AddValidator
    | RemoveValidator
    | ChangeEndpoint
)

KINDS: Mapping[str, type[Change]] = {
    "parameters": ChangeParameters,
    "policy": ChangePolicy,
    "execution": MoveExecution,
    "add_organisation": AddOrganisation,
    "suspend_organisation": SuspendOrganisation,
    "resume_organisation": ResumeOrganisation,
    "remove_organisation": RemoveOrganisation,
    "add_root": AddRoot,
    "retire_root": RetireRoot,
    "add_admin": AddAdmin,
    "add_validator": AddValidator,
    "remove_validator": RemoveValidator,
    "change_endpoint": ChangeEndpoint,
}


def parse_change(kind: str, fields: Mapping[str, Any]) -> Change:
    """Read a proposal's change; refuses an unknown kind, and missing, unknown or mistyped fields."""
    if kind not in KINDS:
        raise BadArguments(f"nothing of kind {kind[:40]!r} can be proposed: {', '.join(KINDS)}")
    if kind == "parameters":
        return ChangeParameters(dict(fields))
    try:
        return msgspec.convert(fields, type=KINDS[kind])
    except msgspec.ValidationError as error:
        raise BadArguments(f"the change does not fit the kind {kind}: {error}") from error
