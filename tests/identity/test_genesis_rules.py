"""Everything a genesis must hold, one rule at a time."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.errors import BadCertificate, BadGenesis, GovernanceRefused
from ledgernode.identity.certificates import build_request, issue
from ledgernode.identity.genesis_rules import CONCENTRATION_ALLOWED, check_genesis
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from ledgernode.wire.genesis import Genesis, GenesisEngine, GenesisMember, GenesisValidator, encode_genesis
from ledgernode.wire.parameters import Parameters
from tests.identity.forging import DAY_MS, NOW_MS, authorities
from tests.identity.founders import NAMES, assembled, bundle

AUTHORITIES = {name: authorities(name) for name in NAMES}
BUNDLES = [bundle(AUTHORITIES[name], validators={"v-1": f"{name}.example:700{n}"})[0] for n, name in enumerate(NAMES)]
GENESIS = check_genesis(assembled(BUNDLES))
change = msgspec.structs.replace


def check(genesis: Genesis) -> Genesis:
    return check_genesis(encode_genesis(genesis))


def with_first(**changes) -> Genesis:
    """The genesis with its first organisation (east) changed."""
    first, *others = GENESIS.organisations
    return change(GENESIS, organisations=(change(first, **changes), *others))


def test_a_sound_genesis_comes_back_as_it_was() -> None:
    """Whatever else is refused, this is not."""
    assert check(GENESIS) == GENESIS
    check(
        change(GENESIS, engine=GenesisEngine("pow", {"first_target_bits": 12, "interval_ms": 100, "depth_blocks": 3}))
    )
    for policy in ("all", "3 of 4", "majority"):
        check(change(GENESIS, policy=policy))


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"name": "Energy!"}, BadGenesis, "a ledger's name"),
        ({"execution_version": 1}, BadGenesis, "execution version 1"),
        ({"python_version": "3.12"}, BadGenesis, r"Python 3\.12"),
        ({"created_ms": 0}, BadGenesis, "created_ms"),
        ({"created_ms": NOW_MS + 400 * DAY_MS}, BadCertificate, "has ended"),
        ({"created_ms": NOW_MS - DAY_MS}, BadCertificate, "not valid yet"),
        ({"organisations": ()}, BadGenesis, "at least one organisation"),
        ({"organisations": GENESIS.organisations[:3]}, GovernanceRefused, "pbft takes 4 to 128"),
        ({"organisations": GENESIS.organisations * 2}, BadGenesis, "organisation east stands twice"),
        ({"policy": "5 of 4"}, GovernanceRefused, "can never agree"),
        ({"policy": "2 of 3"}, GovernanceRefused, "counts 3 organisations"),
        ({"policy": "some"}, GovernanceRefused, "a policy is"),
        ({"engine": GenesisEngine("raft")}, BadGenesis, "no engine 'raft'"),
        ({"engine": GenesisEngine("solo")}, GovernanceRefused, "solo takes 1 to 1"),
        ({"engine": GenesisEngine("pbft", {"batch": 1})}, BadGenesis, "engine pbft has no option 'batch'"),
        ({"engine": GenesisEngine("pbft", {"interval_ms": 100})}, BadGenesis, "no option 'interval_ms'"),
        ({"engine": GenesisEngine("pbft", {"block_reward_minor": 5})}, BadGenesis, "no option 'block_reward_minor'"),
        ({"engine": GenesisEngine("pow", {"block_reward_minor": -1})}, BadGenesis, "lies between 0"),
        ({"engine": GenesisEngine("pow", {"block_reward_minor": 1 << 53})}, BadGenesis, "lies between 0"),
        ({"engine": GenesisEngine("pow", {"interval_ms": 1})}, BadGenesis, "lies between 20 and 600000"),
        ({"engine": GenesisEngine("pow", {"depth_blocks": -1})}, BadGenesis, "depth_blocks is -1"),
        ({"parameters": Parameters(view_timeout_ms=1_000)}, BadGenesis, "a quarter of view_timeout_ms"),
        ({"parameters": Parameters(block_bytes=8_192)}, BadGenesis, "body_bytes is above block_bytes"),
        ({"parameters": Parameters(call_depth=1)}, BadGenesis, "call_depth is 1"),
    ],
)
def test_rules_of_the_whole(changes, error, reason) -> None:
    """Form, policy, engine and numbers."""
    with pytest.raises(error, match=reason):
        check(change(GENESIS, **changes))


EAST, SOUTH = GENESIS.organisations[0], GENESIS.organisations[2]


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"name": "elsewhere"}, BadCertificate, "a root of east is given as one of elsewhere"),
        ({"roots": ()}, BadGenesis, "east has no root"),
        ({"roots": SOUTH.roots}, BadCertificate, "a root of south is given"),
        ({"roots": (authorities("east")[0].certificate,)}, BadCertificate, "not signed by its authority"),
        ({"roots": (AUTHORITIES["east"][1].certificate,)}, BadCertificate, "path length 1"),
        ({"admins": ()}, BadGenesis, "east has no admin"),
        (
            {"admins": SOUTH.admins},
            BadCertificate,
            "given as admin: the issuing certificate is of south",
        ),
        (
            {"admins": (GenesisMember(EAST.validators[0].certificate),)},
            BadCertificate,
            "east/v-1 is validator",
        ),
        ({"admins": EAST.admins * 2}, BadGenesis, "identity east/boss stands twice"),
        (
            {"validators": (GenesisValidator(EAST.admins[0].certificate, "e:1"),)},
            BadCertificate,
            "east/boss is admin by its certificate, not validator",
        ),
        ({"validators": EAST.validators * 2}, BadGenesis, "identity east/v-1 stands twice"),
        ({"validators": SOUTH.validators}, BadCertificate, "a certificate given as validator"),
        (
            {"validators": (change(EAST.validators[0], endpoint=SOUTH.validators[0].endpoint),)},
            BadGenesis,
            "endpoint south.example:7001 stands twice",
        ),
    ],
)
def test_rules_of_one_organisation(changes, error, reason) -> None:
    """Roots of its own, admins that are admins, validators that are validators."""
    with pytest.raises(error, match=reason):
        check(with_first(**changes))


@pytest.mark.parametrize(
    "endpoint", ["", "host", "host:", ":1", "host:0", "host:65536", "ho st:1", "http://a:1", "a:1 "]
)
def test_endpoints_are_host_and_port(endpoint: str) -> None:
    """Peers must be able to dial them."""
    with pytest.raises(BadGenesis, match="an endpoint is"):
        check(with_first(validators=(change(EAST.validators[0], endpoint=endpoint),)))
    check(with_first(validators=(change(EAST.validators[0], endpoint="[::1]:65535"),)))


def test_one_key_never_has_two_owners() -> None:
    """Nor one person two roles under one key."""
    key, issuing = PrivateKey.generate(), AUTHORITIES["east"][1]
    chains = [
        issue(build_request(key, organisation="east", role=Role.ADMIN, name=name), issuing, now_ms=NOW_MS)
        for name in ("one", "two")
    ]
    with pytest.raises(BadGenesis, match=r"the key [0-9a-f]+ stands twice"):
        check(with_first(admins=tuple(GenesisMember(chain) for chain in chains)))


def test_no_organisation_holds_more_validators_than_may_fail() -> None:
    """One organisation failing as a whole must not stop the ledger, unless the founders record that it may."""
    heavy, _ = bundle(AUTHORITIES["east"], validators={f"v-{n}": f"e{n}.example:1" for n in range(2)})
    genesis = change(GENESIS, organisations=(heavy, *GENESIS.organisations[1:]))
    with pytest.raises(GovernanceRefused, match="east would hold 2 of 5 validators, and only 1 may fail"):
        check(genesis)
    check(change(genesis, engine=GenesisEngine("pbft", {CONCENTRATION_ALLOWED: 1})))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"format":"other"}'])
def test_what_is_no_genesis_is_refused(raw: bytes) -> None:
    """Whatever the bytes."""
    with pytest.raises(BadGenesis):
        check_genesis(raw)
