"""An organisation's own directory: its authorities, its members' certificates, its public bundle.

    ORG/ca/root/{key.pem,certificate.pem}      move key.pem offline once the issuing authority exists
    ORG/ca/issuing/{key.pem,certificate.pem}
    ORG/identities/NAME/…                      `identity.identity_files`
    ORG/bundle.json                            public: what others need to found a ledger with it

Requests come in, certificates go out. No private key enters or leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ledgernode.errors import BadCertificate, BadGenesis, IdentityExists
from ledgernode.identity.authority import (
    MEMBER_DAYS,
    CertificateAuthority,
    create_intermediate,
    create_root,
    issue,
    read_pem_file,
    read_request,
)
from ledgernode.identity.certificate_profile import Purpose, read_pem, require_organisation_name
from ledgernode.identity.certificates import read_certificate
from ledgernode.identity.identity_files import CERTIFICATE, new_request, place_certificate
from ledgernode.identity.key_file import PLAIN, Keeping, kept_as
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.identity.records import Role
from ledgernode.wire.genesis import GenesisMember, GenesisOrganisation, GenesisValidator
from ledgernode.wire.unreadable import UNREADABLE

BUNDLE: Final = "bundle.json"


def create_organisation(
    directory: Path, name: str, *, now_ms: int, root: Keeping = PLAIN, issuing: Keeping = PLAIN
) -> None:
    """Make the directory with a root and an issuing authority; refuses one that exists."""
    require_organisation_name(name)
    if (directory / "ca").exists():
        raise IdentityExists(f"{directory} is an organisation's directory already")
    above = create_root(name, now_ms=now_ms, keeping=root)
    below = create_intermediate(above, now_ms=now_ms, keeping=issuing)
    above.save(root_directory(directory), root)
    below.save(issuing_directory(directory), issuing)


def replace_issuing(
    directory: Path, *, now_ms: int, unlock: Unlock = none_given, keeping: Keeping | None = None
) -> None:
    """A new issuing authority under the root, kept as the one before unless it is said how.

    What the one before has certified holds on. Refuses where the root's key is away, and where one that was replaced
    earlier still lies there.
    """
    standing = issuing_directory(directory)
    _require_room(standing)
    root = CertificateAuthority.load(root_directory(directory), unlock)
    keep = keeping or kept_as(standing / "key.pem", unlock)
    _take_its_place(standing, create_intermediate(root, now_ms=now_ms, keeping=keep), keep)


def replace_root(directory: Path, *, now_ms: int, keeping: Keeping = PLAIN) -> tuple[str, str]:
    """A new root beside the one before, whose key may be away; their certificates, the new one first.

    The issuing authority stays of the one before: replace it once the ledgers know the new root.
    """
    standing = root_directory(directory)
    _require_room(standing)
    name, before = read_root(directory)
    made = create_root(name, now_ms=now_ms, keeping=keeping)
    _take_its_place(standing, made, keeping)
    return made.certificate, before


def _require_room(standing: Path) -> None:
    before = standing.with_name(f"old-{standing.name}")
    if before.exists():
        raise IdentityExists(f"{before} is there: an authority that was replaced earlier, move it away first")


def _take_its_place(standing: Path, made: CertificateAuthority, keeping: Keeping) -> None:
    made.save(beside := standing.with_name(f"new-{standing.name}"), keeping)
    standing.rename(standing.with_name(f"old-{standing.name}"))
    beside.rename(standing)


def organisation_name(directory: Path) -> str:
    """Whose directory this is, from its root's certificate."""
    return read_root(directory)[0]


def read_root(directory: Path) -> tuple[str, str]:
    """(name, root certificate); needs no key."""
    text = read_pem_file(root_directory(directory) / CERTIFICATE)
    (root,) = read_pem(text, 1)
    return root.organisation, text


def root_directory(directory: Path) -> Path:
    return directory / "ca" / "root"


def issuing_directory(directory: Path) -> Path:
    return directory / "ca" / "issuing"


def identity_directory(directory: Path, name: str) -> Path:
    return directory / "identities" / name


def sign_request(
    directory: Path,
    request_pem: str,
    *,
    now_ms: int,
    days: int = MEMBER_DAYS,
    role: Role | None = None,
    tls_names: Sequence[str] = (),
    unlock: Unlock = none_given,
) -> str:
    """Certify a request and keep the certificate among the identities; returns the chain (PEM).

    Refuses a request of another organisation, and one that asks for another role than `role`.
    """
    member, _ = read_request(request_pem)
    if role is not None and member.role is not role:
        raise BadCertificate(f"{member.name} asks to be {member.role}, {role} is what you would sign")
    issuing = CertificateAuthority.load(issuing_directory(directory), unlock)
    chain = issue(request_pem, issuing, now_ms=now_ms, days=days, tls_names=tls_names)
    place_certificate(identity_directory(directory, member.name), chain, unlock)
    return chain


def new_identity(
    directory: Path,
    name: str,
    role: Role,
    *,
    now_ms: int,
    attributes: Mapping[str, str] | None = None,
    tls_names: Sequence[str] = (),
    unlock: Unlock = none_given,
) -> str:
    """Someone who lives in this directory: both keys, both certificates; returns the signing chain."""
    home, organisation = identity_directory(directory, name), organisation_name(directory)
    signing = new_request(home, organisation=organisation, role=role, name=name, attributes=attributes)
    tls = new_request(home, organisation=organisation, role=role, name=name, purpose=Purpose.TLS)
    sign_request(directory, tls, now_ms=now_ms, tls_names=tls_names, unlock=unlock)
    return sign_request(directory, signing, now_ms=now_ms, unlock=unlock)


def write_bundle(directory: Path, validators: Mapping[str, str]) -> GenesisOrganisation:
    """Write what others need to found a ledger with this organisation, and return it.

    `validators` are names of identities with the endpoint each will serve at. Every admin is included.
    Refuses a bundle without an admin, and a validator that has no certificate here.
    """
    name, root = read_root(directory)
    found = {path.parent.name: path for path in sorted((directory / "identities").glob(f"*/{CERTIFICATE}"))}
    missing = sorted(set(validators) - set(found))
    if missing:
        raise BadGenesis(f"{name} has no certificate for {', '.join(missing)}")
    chains = {identity: read_pem_file(path) for identity, path in found.items()}
    admins = tuple(GenesisMember(chain) for chain in chains.values() if read_certificate(chain).role is Role.ADMIN)
    if not admins:
        raise BadGenesis(f"{name} has no admin yet")
    bundle = GenesisOrganisation(
        name=name,
        roots=(root,),
        admins=admins,
        validators=tuple(GenesisValidator(chains[one], endpoint) for one, endpoint in sorted(validators.items())),
    )
    (directory / BUNDLE).write_bytes(msgspec.json.format(msgspec.json.encode(bundle), indent=2) + b"\n")
    return bundle


def read_bundle(path: Path) -> GenesisOrganisation:
    """Refuses a file that is no bundle; whether its certificates hold is genesis' question."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=GenesisOrganisation)
    except OSError as error:
        raise BadGenesis(f"{path} cannot be read: {error.strerror}") from error
    except UNREADABLE as error:
        raise BadGenesis(f"{path} is no organisation's bundle: {error}") from error
