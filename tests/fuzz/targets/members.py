"""Certificates, requests, keys and the files of organisations and nodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ledgernode.cli.mounted import _settings
from ledgernode.errors import (
    BadCertificate,
    BadGenesis,
    BadParameters,
    BadRequest,
    BadSignature,
    GovernanceRefused,
    KeyFileUnsafe,
    NotApproved,
    PhraseInvalid,
    RoleRefused,
)
from ledgernode.identity.acceptance import accept_genesis, check_acceptances
from ledgernode.identity.authority import read_pem_file, read_request
from ledgernode.identity.certificate_profile import Purpose
from ledgernode.identity.certificates import (
    build_request,
    check_root,
    create_intermediate,
    create_root,
    issue,
    read_certificate,
    verify_chain,
    verify_tls_chain,
)
from ledgernode.identity.enrolment import read_list
from ledgernode.identity.founding import read_network
from ledgernode.identity.genesis_rules import check_genesis
from ledgernode.identity.home import FILE, NodeConfig
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import read_bundle
from ledgernode.identity.phrase import key_from_phrase
from ledgernode.identity.records import Role
from ledgernode.identity.tls import split_roots
from tests.fuzz.target import Form, Target, constant, file, folder, text
from tests.fuzz.targets.vectors import genesis_bytes, genesis_document, vectors
from tests.handmade import HandmadeNetwork

_AT_MS: Final = 1_767_225_600_000
_PEM: Final = serialization.Encoding.PEM
_PKCS8: Final = serialization.PrivateFormat.PKCS8
_BARE: Final = serialization.NoEncryption()


def _key(number: int = 7) -> PrivateKey:
    return PrivateKey(ec.derive_private_key(number, ec.SECP256R1()))


def _requests() -> Sequence[bytes]:
    said: Any = {"organisation": "north", "role": Role.METER, "name": "m-1"}
    return [
        build_request(_key(), **said).encode(),
        build_request(_key(), **said, attributes={"level": "2", "street": "Ö"}).encode(),
        build_request(_key(), **said, purpose=Purpose.TLS).encode(),
    ]


@cache
def _tls() -> tuple[str, str]:
    """(root, a chain for connections)."""
    root = create_root("north", now_ms=_AT_MS)
    request = build_request(_key(), organisation="north", role=Role.METER, name="m-1", purpose=Purpose.TLS)
    names = ("localhost", "127.0.0.1")
    return root.certificate, issue(request, create_intermediate(root, now_ms=_AT_MS), now_ms=_AT_MS, tls_names=names)


def _chains() -> Sequence[bytes]:
    return [one["admins"][0]["certificate"].encode() for one in genesis_document()["organisations"][:2]]


def _root() -> str:
    return str(genesis_document()["organisations"][0]["roots"][0])


def _keys() -> Sequence[bytes]:
    other = ec.derive_private_key(5, ec.SECP384R1())
    own = _key().to_cryptography()
    return [
        own.private_bytes(_PEM, _PKCS8, _BARE),
        own.private_bytes(_PEM, serialization.PrivateFormat.TraditionalOpenSSL, _BARE),
        other.private_bytes(_PEM, _PKCS8, _BARE),
    ]


@cache
def _accepted() -> tuple[bytes, bytes]:
    """A genesis of one organisation, and its admin's acceptance."""
    network = HandmadeNetwork(1)
    admin = read_certificate(network.genesis.organisations[0].admins[0].certificate)
    key = next(key for key in network.keys.values() if key.public_key == admin.public_key)
    return network.genesis_bytes, accept_genesis(network.genesis_bytes, key)


def _bundles() -> Sequence[bytes]:
    return [json.dumps(one, indent=2).encode() for one in genesis_document()["organisations"][:1]]


def _lists(raw: bytes) -> Any:
    """As JSON where it looks so, else as CSV."""
    name = "list.json" if raw[:1] in b"[{" else "list.csv"
    return file(read_list, name)(raw)


TARGETS: Final = (
    Target(
        "request",
        ("ledgernode.identity.authority", "ledgernode.identity.certificate_profile"),
        text(read_request),
        (BadCertificate,),
        _requests,
        Form.PEM,
    ),
    Target(
        "chain",
        ("ledgernode.identity.certificates", "ledgernode.identity.certificate_profile"),
        text(lambda said: (read_certificate(said), verify_chain(said, (_root(),), _AT_MS))),
        (BadCertificate,),
        _chains,
        Form.PEM,
    ),
    Target(
        "tls-chain",
        ("ledgernode.identity.certificates", "ledgernode.identity.tls"),
        text(lambda said: verify_tls_chain(said, (_tls()[0],), _AT_MS)),
        (BadCertificate,),
        lambda: [_tls()[1].encode()],
        Form.PEM,
    ),
    Target(
        "root",
        ("ledgernode.identity.certificates",),
        text(lambda said: check_root(said, "org1", _AT_MS)),
        (BadCertificate,),
        lambda: [_root().encode()],
        Form.PEM,
    ),
    Target(
        "roots-file",
        ("ledgernode.identity.tls",),
        file(lambda path: split_roots(read_pem_file(path))),
        (BadCertificate,),
        lambda: [(_root() + _tls()[0]).encode()],
        Form.PEM,
    ),
    Target(
        "key-file",
        ("ledgernode.identity.keys", "ledgernode.identity.secret_file"),
        file(PrivateKey.load),
        (KeyFileUnsafe,),
        _keys,
        Form.PEM,
    ),
    Target(
        "phrase",
        ("ledgernode.identity.phrase",),
        text(key_from_phrase),
        (PhraseInvalid,),
        lambda: [str(one["phrase"]).encode() for one in vectors("wallet")],
        Form.TEXT,
    ),
    Target(
        "founding",
        ("ledgernode.identity.genesis_rules",),
        check_genesis,
        (BadGenesis, BadCertificate, BadParameters, GovernanceRefused),
        lambda: [genesis_bytes()],
        Form.JSON,
    ),
    Target(
        "acceptance",
        ("ledgernode.identity.acceptance",),
        lambda raw: check_acceptances(_accepted()[0], [raw]),
        (BadGenesis, NotApproved, RoleRefused, BadSignature),
        lambda: [_accepted()[1]],
        Form.JSON,
    ),
    Target(
        "bundle",
        ("ledgernode.identity.organisation",),
        file(read_bundle),
        (BadGenesis,),
        _bundles,
        Form.JSON,
    ),
    Target(
        "enrolment-list",
        ("ledgernode.identity.enrolment",),
        _lists,
        (BadRequest,),
        constant(
            '[{"name":"m-1","role":"meter","attributes":{"street":"A"}},{"name":"m-2","role":"customer"}]',
            "name,role,street\nm-1,meter,A\nm-2,customer,\n",
            'name,role\n"m,3",operator\n',
        ),
        Form.JSON,
    ),
    Target(
        "node-settings",
        ("ledgernode.identity.home",),
        folder(NodeConfig.read, FILE),
        (BadRequest,),
        constant('{"organisation":"north","validator":"north-1","listen":"127.0.0.1:7001","ledgers":["l"]}'),
        Form.JSON,
    ),
    Target(
        "prepared-settings",
        ("ledgernode.cli.mounted",),
        lambda raw: _settings(raw, NodeConfig("north", "north-1", "127.0.0.1:7001", ())),
        (BadRequest,),
        constant('{"snapshots_kept":3,"log_level":"debug"}'),
        Form.JSON,
    ),
    Target(
        "network-file",
        ("ledgernode.identity.founding",),
        folder(read_network, "network.json"),
        (BadGenesis,),
        constant(
            '{"ledger":"l","chain_id":"ab","engine":"solo","organisations":["north"],'
            '"nodes":[{"name":"n","organisation":"north","endpoint":"e","home":"h"}]}'
        ),
        Form.JSON,
    ),
)
