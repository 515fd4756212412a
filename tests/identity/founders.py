"""Four founders, each in a directory of its own, and the genesis their public bundles make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ledgernode.identity.certificates import build_request, issue
from ledgernode.identity.founding import assemble_genesis
from ledgernode.identity.home import certify_node, request_node
from ledgernode.identity.identity_files import new_request, place_certificate
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import create_organisation, sign_request, write_bundle
from ledgernode.identity.records import Role
from ledgernode.wire.genesis import GenesisEngine, GenesisMember, GenesisOrganisation, GenesisValidator
from tests.identity.forging import NOW_MS

NAMES = ("north", "south", "east", "west")


def found_apart(directory: Path, name: str, port: int) -> GenesisOrganisation:
    """One organisation with its admin's laptop and its node, each with keys of its own."""
    organisation, laptop, node = directory / "office", directory / "laptop", directory / "node"
    create_organisation(organisation, name, now_ms=NOW_MS)
    request = new_request(laptop, organisation=name, role=Role.ADMIN, name="boss")
    place_certificate(laptop, sign_request(organisation, request, now_ms=NOW_MS))
    validator, tls = request_node(node, organisation=name, name="v-1")
    certify_node(
        node,
        sign_request(organisation, validator, now_ms=NOW_MS),
        sign_request(organisation, tls, now_ms=NOW_MS, tls_names=("localhost",)),
    )
    return write_bundle(organisation, {"v-1": f"127.0.0.1:{port}"})


def bundle(authorities: Any, *, admins: Sequence[str] = ("boss",), validators: Mapping[str, str] | None = None) -> Any:
    """A bundle in memory; `validators` are names with endpoints. Also returns the admins' keys."""
    root, issuing = authorities
    keys = [PrivateKey.generate() for _ in admins]

    def certified(key: PrivateKey, role: Role, name: str) -> str:
        request = build_request(key, organisation=root.organisation, role=role, name=name)
        return issue(request, issuing, now_ms=NOW_MS)

    return GenesisOrganisation(
        name=root.organisation,
        roots=(root.certificate,),
        admins=tuple(GenesisMember(certified(key, Role.ADMIN, name)) for key, name in zip(keys, admins, strict=True)),
        validators=tuple(
            GenesisValidator(certified(PrivateKey.generate(), Role.VALIDATOR, name), endpoint)
            for name, endpoint in (validators or {}).items()
        ),
    ), keys


def assembled(bundles: Sequence[GenesisOrganisation], **changes: Any) -> bytes:
    standard: dict[str, Any] = {"name": "energy", "engine": GenesisEngine("pbft"), "now_ms": NOW_MS}
    return assemble_genesis(bundles, **{**standard, **changes})
