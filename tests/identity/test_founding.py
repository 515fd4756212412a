"""Founding: four organisations that share no secret, and the one-machine shortcut."""

from __future__ import annotations

import re
import stat

import pytest

from ledgernode.errors import BadCertificate, BadGenesis, GovernanceRefused
from ledgernode.identity.founding import (
    accept_genesis,
    assemble_genesis,
    check_acceptances,
    check_genesis,
    found_network,
    organisation_directory,
    read_network,
)
from ledgernode.identity.home import NodeConfig, data_directory, genesis_path, tls_directory, validator_directory
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import identity_directory, read_bundle
from ledgernode.identity.tls import load_tls
from ledgernode.wire.genesis import GenesisEngine, chain_id
from ledgernode.wire.parameters import Parameters
from tests.identity.forging import NOW_MS
from tests.identity.founders import NAMES, assembled, found_apart

SECRET = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)


def secrets_of(directory) -> dict[bytes, int]:
    """Every private key below a directory, in its PEM and as its number, with how often it occurs."""
    found: dict[bytes, int] = {}
    for path in directory.rglob("*"):
        for pem in SECRET.findall(path.read_bytes()) if path.is_file() else ():
            key = PrivateKey.load(path).to_cryptography().private_numbers().private_value
            for form in (pem, key.to_bytes(32, "big"), f"{key:064x}".encode()):
                found[form] = found.get(form, 0) + 1
    return found


def bytes_of(directory) -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


def test_four_organisations_found_a_ledger_and_share_no_secret(tmp_path) -> None:
    """Bundles in, one genesis out, each accepts: and no private key of one occurs with another."""
    bundles = [found_apart(tmp_path / name, name, 7_000 + n) for n, name in enumerate(NAMES)]
    published = [read_bundle(tmp_path / name / "office" / "bundle.json") for name in NAMES]
    assert published == bundles
    raw = assembled(published)
    acceptances = []
    for name in NAMES:  # each reads the file for itself
        (tmp_path / name / "genesis.json").write_bytes(raw)
        admin, _ = load_identity(tmp_path / name / "laptop")
        acceptances.append(accept_genesis((tmp_path / name / "genesis.json").read_bytes(), admin))
    check_acceptances(raw, acceptances)
    public = raw + b"".join(acceptances)
    for name in NAMES:
        secrets = secrets_of(tmp_path / name)
        assert len(secrets) == 3 * 5  # root, issuing, admin, validator, TLS: each in three forms
        assert set(secrets.values()) == {1}
        elsewhere = public + b"".join(bytes_of(tmp_path / other) for other in NAMES if other != name)
        assert not any(secret in elsewhere for secret in secrets)


def test_a_secret_is_born_and_stays_in_one_folder(tmp_path) -> None:
    """Within an organisation too: the office never sees the laptop's or the node's keys."""
    found_apart(tmp_path / "north", "north", 7_000)
    folders = [tmp_path / "north" / part for part in ("office", "laptop", "node")]
    for folder in folders:
        others = b"".join(bytes_of(other) for other in folders if other != folder)
        assert not any(secret in others for secret in secrets_of(folder))


def test_the_same_bundles_make_the_same_genesis_in_any_order(tmp_path) -> None:
    """Whoever assembles, all get the same chain id."""
    bundles = [found_apart(tmp_path / name, name, 7_000 + n) for n, name in enumerate(NAMES)]
    raw = assembled(bundles)
    assert raw == assembled(bundles[::-1])
    assert chain_id(raw) != chain_id(raw.replace(b'"majority"', b'"all"'))
    assert [organisation.name for organisation in check_genesis(raw).organisations] == sorted(NAMES)


@pytest.fixture
def network(tmp_path):
    directory = tmp_path / "deep" / "network"
    found = found_network(
        directory,
        organisations=NAMES,
        ledger="energy",
        engine="pbft",
        base_port=7_000,
        parameters=Parameters(budget=400_000),
        now_ms=NOW_MS,
    )
    return directory, found


def test_the_shortcut_makes_every_home_ready_to_run(network) -> None:
    """One node an organisation, with keys, certificates, roots and genesis where they belong."""
    directory, found = network
    raw = (directory / "genesis.json").read_bytes()
    genesis = check_genesis(raw)
    assert genesis.parameters.budget == 400_000
    assert read_network(directory) == found
    assert (found.ledger, found.engine, found.organisations) == ("energy", "pbft", NAMES)
    assert found.chain_id == chain_id(raw).hex()
    endpoints = {v.certificate: v.endpoint for organisation in genesis.organisations for v in organisation.validators}
    assert [node.endpoint for node in found.nodes] == [f"127.0.0.1:{port}" for port in range(7_000, 7_004)]
    for node in found.nodes:
        home = directory / node.home
        config = NodeConfig.read(home)
        assert (config.organisation, config.listen, config.ledgers) == (node.organisation, node.endpoint, ("energy",))
        assert genesis_path(home, "energy").read_bytes() == raw
        assert data_directory(home, "energy").parent == genesis_path(home, "energy").parent
        _, chain = load_identity(validator_directory(home))
        assert endpoints[chain] == node.endpoint
        assert len(load_tls(tls_directory(home)).roots) == 4
    for name in NAMES:
        admin = identity_directory(organisation_directory(directory, name), "admin")
        accept_genesis(raw, load_identity(admin)[0])
        assert len(load_tls(admin).roots) == 4


def test_the_shortcut_keeps_every_key_where_it_was_born(network) -> None:
    """Four keys an organisation, two a node; each occurs once, in a file and a folder of its owner only."""
    directory, _ = network
    secrets = secrets_of(directory)
    assert len(secrets) == 3 * (4 * 4 + 4 * 2)
    assert set(secrets.values()) == {1}
    for path in directory.rglob("*key.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_solo_has_one_validator_and_many_members(tmp_path) -> None:
    """All organisations belong; the first one's node decides alone."""
    found = found_network(
        tmp_path / "n",
        organisations=("north", "south", "watch"),
        ledger="energy",
        engine="solo",
        base_port=7_000,
        parameters=Parameters(),
        now_ms=NOW_MS,
    )
    assert [node.organisation for node in found.nodes] == ["north"]
    genesis = check_genesis((tmp_path / "n" / "genesis.json").read_bytes())
    assert [len(organisation.validators) for organisation in genesis.organisations] == [1, 0, 0]
    assert all(organisation.admins for organisation in genesis.organisations)


@pytest.mark.parametrize(
    ("organisations", "engine", "error"),
    [
        (("north", "south", "east"), "pbft", GovernanceRefused),
        (("north",), "raft", BadGenesis),
        (("North",), "solo", BadCertificate),
        ((), "solo", BadGenesis),
    ],
)
def test_a_network_that_cannot_be_leaves_nothing_behind(tmp_path, organisations, engine, error) -> None:
    """Try again with other words in the same place."""
    with pytest.raises(error):
        found_network(
            tmp_path / "n",
            organisations=organisations,
            ledger="energy",
            engine=engine,
            base_port=7_000,
            parameters=Parameters(),
            now_ms=NOW_MS,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_network_is_never_founded_over_something(network) -> None:
    """Neither over another network nor over anything else."""
    directory, found = network
    with pytest.raises(BadGenesis, match="is not empty"):
        found_network(
            directory,
            organisations=("north",),
            ledger="other",
            engine="solo",
            base_port=7_000,
            parameters=Parameters(),
            now_ms=NOW_MS,
        )
    assert read_network(directory) == found


def test_a_folder_without_a_network_is_refused(tmp_path) -> None:
    """With its name."""
    with pytest.raises(BadGenesis, match="holds no network"):
        read_network(tmp_path)


def test_assembling_refuses_what_checking_refuses() -> None:
    """Nobody hands round a file that others will not accept."""
    with pytest.raises(BadGenesis, match="at least one organisation"):
        assemble_genesis([], name="energy", engine=GenesisEngine("solo"), now_ms=NOW_MS)
