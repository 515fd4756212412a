"""An organisation's directory: requests in, certificates out."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ledgernode.errors import BadCertificate, BadGenesis, IdentityExists
from ledgernode.identity.certificates import Purpose, read_certificate, verify_chain, verify_tls_chain
from ledgernode.identity.identity_files import finish_rotation, load_identity, new_request, place_certificate
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import (
    create_organisation,
    identity_directory,
    issuing_directory,
    new_identity,
    organisation_name,
    read_bundle,
    read_root,
    root_directory,
    sign_request,
    write_bundle,
)
from ledgernode.identity.records import Role
from tests.identity.forging import DAY_MS, NOW_MS


@pytest.fixture
def north(tmp_path):
    create_organisation(tmp_path / "north", "north", now_ms=NOW_MS)
    return tmp_path / "north"


def asks(directory, name="anna", role=Role.OPERATOR, **more) -> str:
    return new_request(directory, organisation="north", role=role, name=name, **more)


def test_a_new_organisation_has_a_root_and_an_issuing_authority(north) -> None:
    """Both under modes that keep others out."""
    assert organisation_name(north) == "north"
    for directory in (root_directory(north), issuing_directory(north)):
        assert stat.S_IMODE((directory / "key.pem").stat().st_mode) == 0o600
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    with pytest.raises(IdentityExists):
        create_organisation(north, "north", now_ms=NOW_MS)
    with pytest.raises(BadCertificate, match="an organisation's name"):
        create_organisation(north.parent / "other", "Other!", now_ms=NOW_MS)
    assert not (north.parent / "other").exists()


def test_requests_travel_and_keys_stay(north, tmp_path) -> None:
    """A key born elsewhere is certified here without ever coming here."""
    away = tmp_path / "laptop"
    request = asks(away, attributes={"desk": "7"})
    chain = sign_request(north, request, now_ms=NOW_MS)
    assert place_certificate(away, chain) == away / "certificate.pem"
    key, held = load_identity(away)
    assert verify_chain(held, (read_root(north)[1],), NOW_MS).public_key == key.public_key
    secret = (away / "key.pem").read_bytes()
    assert all(secret not in path.read_bytes() for path in north.rglob("*") if path.is_file())
    assert (identity_directory(north, "anna") / "certificate.pem").read_text() == chain


def test_the_root_key_may_be_away(north) -> None:
    """Daily work needs the issuing authority only."""
    (root_directory(north) / "key.pem").unlink()
    new_identity(north, "boss", Role.ADMIN, now_ms=NOW_MS)
    assert write_bundle(north, {}).name == "north"


def test_the_role_signed_is_the_role_meant(north, tmp_path) -> None:
    """Who signs says which role they grant; a request for more is refused."""
    request = asks(tmp_path / "meter", role=Role.ADMIN, name="m-1")
    with pytest.raises(BadCertificate, match="asks to be admin, meter is what"):
        sign_request(north, request, now_ms=NOW_MS, role=Role.METER)
    assert sign_request(north, request, now_ms=NOW_MS, role=Role.ADMIN)


def test_a_request_of_another_organisation_is_refused(north, tmp_path) -> None:
    """And nothing is written."""
    request = new_request(tmp_path / "x", organisation="south", role=Role.ADMIN, name="x")
    with pytest.raises(BadCertificate, match="north cannot certify a member of south"):
        sign_request(north, request, now_ms=NOW_MS)
    assert not identity_directory(north, "x").exists()


def test_nobody_gets_a_second_key_by_accident(north, tmp_path) -> None:
    """A second request in the same directory would orphan the first key."""
    asks(tmp_path / "anna")
    with pytest.raises(IdentityExists, match=r"has a key\.pem already"):
        asks(tmp_path / "anna")


def test_a_certificate_goes_beside_its_own_key_only(north, tmp_path) -> None:
    """Two people of one name do not overwrite each other."""
    new_identity(north, "anna", Role.OPERATOR, now_ms=NOW_MS)
    before = (identity_directory(north, "anna") / "certificate.pem").read_text()
    with pytest.raises(IdentityExists, match="another key"):
        sign_request(north, asks(tmp_path / "impostor"), now_ms=NOW_MS)
    assert (identity_directory(north, "anna") / "certificate.pem").read_text() == before
    with pytest.raises(BadCertificate, match="nobody's identity"):
        place_certificate(tmp_path / "impostor", (issuing_directory(north) / "certificate.pem").read_text() * 2)


def test_a_local_identity_has_both_keys(north) -> None:
    """One signs, the other opens connections; they differ."""
    chain = new_identity(
        north, "gate-1", Role.GATEWAY, now_ms=NOW_MS, attributes={"site": "a"}, tls_names=("gate.example",)
    )
    home, roots = identity_directory(north, "gate-1"), (read_root(north)[1],)
    assert verify_chain(chain, roots, NOW_MS).attributes == {"site": "a"}
    tls = verify_tls_chain((home / "tls-certificate.pem").read_text(), roots, NOW_MS)
    assert tls.public_key == PrivateKey.load(home / "tls-key.pem").public_key
    assert tls.public_key != load_identity(home)[0].public_key


def test_a_rotation_keeps_the_old_key_until_it_is_finished(north, tmp_path) -> None:
    """The new key waits beside the one in use, and takes its place when the ledger has accepted it."""
    home = tmp_path / "anna"
    place_certificate(home, sign_request(north, asks(home), now_ms=NOW_MS))
    old_key, old_chain = load_identity(home)
    with pytest.raises(BadCertificate, match="no certificate for its next key"):
        finish_rotation(home)
    chain = sign_request(north, asks(home, rotation=True), now_ms=NOW_MS + DAY_MS)
    assert load_identity(home)[1] == old_chain
    assert place_certificate(home, chain) == home / "next-certificate.pem"
    finish_rotation(home)
    new_key, held = load_identity(home)
    assert held == chain
    assert new_key.public_key == read_certificate(chain).public_key != old_key.public_key
    assert PrivateKey.load(home / "old-key.pem").public_key == old_key.public_key
    asks(home, rotation=True)  # and again, another year


@pytest.mark.parametrize("moves_done", [0, 1, 2, 3])
def test_an_interrupted_end_of_a_rotation_can_be_taken_up(north, tmp_path, moves_done: int, monkeypatch) -> None:
    """Wherever the power went, the next run ends with the new key in use and the old one kept."""
    home = tmp_path / "anna"
    place_certificate(home, sign_request(north, asks(home), now_ms=NOW_MS))
    old_key, _ = load_identity(home)
    chain = sign_request(north, asks(home, rotation=True), now_ms=NOW_MS)
    place_certificate(home, chain)
    moves, real = iter(range(moves_done)), Path.replace

    def replace(path: Path, target: Path) -> Path:
        if next(moves, None) is None:
            raise InterruptedError
        return real(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        with pytest.raises(InterruptedError):
            finish_rotation(home)
    finish_rotation(home)
    assert load_identity(home)[1] == chain
    assert PrivateKey.load(home / "old-key.pem").public_key == old_key.public_key


def test_there_is_no_rotation_without_a_key(tmp_path) -> None:
    """The first key is asked for, not rotated to."""
    with pytest.raises(BadCertificate, match="no key to rotate"):
        asks(tmp_path / "anna", rotation=True)
    asks(tmp_path / "anna", purpose=Purpose.TLS)
    assert "request.pem" not in {path.name for path in (tmp_path / "anna").iterdir()}


def test_a_directory_with_a_foreign_certificate_is_refused(north, tmp_path) -> None:
    """Key and certificate are one identity or none."""
    new_identity(north, "anna", Role.OPERATOR, now_ms=NOW_MS)
    new_identity(north, "ben", Role.OPERATOR, now_ms=NOW_MS)
    anna, ben = identity_directory(north, "anna"), identity_directory(north, "ben")
    (anna / "certificate.pem").write_text((ben / "certificate.pem").read_text())
    with pytest.raises(BadCertificate, match=r"is not of key\.pem"):
        load_identity(anna)


def test_a_bundle_holds_the_admins_and_the_named_validators(north) -> None:
    """And is public: no key in it."""
    with pytest.raises(BadGenesis, match="no admin yet"):
        write_bundle(north, {})
    admins = {new_identity(north, name, Role.ADMIN, now_ms=NOW_MS) for name in ("zoe", "adam")}
    validator = new_identity(north, "v1", Role.VALIDATOR, now_ms=NOW_MS)
    new_identity(north, "v2", Role.VALIDATOR, now_ms=NOW_MS)
    new_identity(north, "meter", Role.METER, now_ms=NOW_MS)
    bundle = write_bundle(north, {"v1": "north.example:7000"})
    assert {admin.certificate for admin in bundle.admins} == admins
    assert [(v.certificate, v.endpoint) for v in bundle.validators] == [(validator, "north.example:7000")]
    assert read_bundle(north / "bundle.json") == bundle
    assert b"PRIVATE" not in (north / "bundle.json").read_bytes()
    with pytest.raises(BadGenesis, match="no certificate for v3"):
        write_bundle(north, {"v3": "north.example:7000"})


def test_what_is_no_bundle_is_refused(tmp_path) -> None:
    """Missing, not JSON, or of another shape."""
    with pytest.raises(BadGenesis, match="cannot be read"):
        read_bundle(tmp_path / "missing.json")
    for number, text in enumerate(("", "{}", '{"name":"n","roots":[],"admins":[],"validators":[],"more":1}')):
        (tmp_path / f"{number}.json").write_text(text)
        with pytest.raises(BadGenesis, match="no organisation's bundle"):
            read_bundle(tmp_path / f"{number}.json")
