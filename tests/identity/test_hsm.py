"""Signing keys in a token: SoftHSM, by PKCS #11."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from ecdsa import NIST256p, VerifyingKey
from ecdsa.util import sigdecode_string

from ledgernode.errors import (
    BadRequest,
    HsmKeyAmbiguous,
    HsmKeyMissing,
    HsmPinRefused,
    HsmUnavailable,
    IdentityExists,
    KeyFileUnsafe,
)
from ledgernode.identity.authority import CertificateAuthority, build_request, read_request
from ledgernode.identity.certificates import verify_chain
from ledgernode.identity.hsm import HsmKey, find_key, make_key
from ledgernode.identity.identity_files import finish_rotation, load_identity, new_request
from ledgernode.identity.key_file import Keeping, kept_as, load_key, protect, public_key_of, tls_key
from ledgernode.identity.keys import HALF_ORDER, verify
from ledgernode.identity.organisation import (
    create_organisation,
    new_identity,
    read_root,
    replace_issuing,
    root_directory,
    sign_request,
)
from ledgernode.identity.passphrase import none_given
from ledgernode.identity.pkcs11_uri import parse_uri
from ledgernode.identity.records import Role
from ledgernode.sts.keys import Secret
from tests.softhsm import PIN, SoftHsm

NOW_MS = 1_767_225_600_000


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    with SoftHsm(tmp_path_factory.mktemp("softhsm")) as running:
        running.token("north")
        yield running


@pytest.fixture(scope="module")
def key(softhsm: SoftHsm) -> HsmKey:
    return make_key(parse_uri(softhsm.uri("north", "signing")))


def test_a_key_in_a_token_signs_what_everybody_accepts(key: HsmKey) -> None:
    """64 bytes with s in the lower half, by both of our implementations; and its nonces are its own."""
    signatures = {key.sign(b"message") for _ in range(20)}
    assert len(signatures) == 20
    theirs = VerifyingKey.from_string(key.public_key, NIST256p)
    for signature in signatures:
        assert verify(key.public_key, b"message", signature)
        assert int.from_bytes(signature[32:], "big") <= HALF_ORDER
        assert theirs.verify(signature, b"message", hashlib.sha256, sigdecode=sigdecode_string)


def test_the_key_cannot_be_had(key: HsmKey, softhsm: SoftHsm) -> None:
    """Not through our face, not through the token's: it is sensitive and not extractable; nothing prints it."""
    with pytest.raises(TypeError, match="never leaves"):
        key.to_cryptography().private_numbers()
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        key._handle[pkcs11.Attribute.VALUE]
    assert repr(key) == "HsmKey(pkcs11:token=north;object=signing)"


def test_a_key_is_found_again_by_its_file(key: HsmKey, softhsm: SoftHsm, tmp_path: Path) -> None:
    """The file holds the name alone; whoever asks for a key does not learn which kind it was."""
    path = tmp_path / "key.pem"
    Keeping(uri=softhsm.uri("north", "signing")).write(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path).public_key == public_key_of(path) == key.public_key
    with pytest.raises(KeyFileUnsafe, match="are files"):
        tls_key(path)
    with pytest.raises(BadRequest, match="its PIN protects"):
        protect(path, none_given, Secret(b"correct horse battery"))
    with pytest.raises(BadRequest, match="--key"):
        kept_as(path)


def test_requests_and_certificates_are_signed_by_it(softhsm: SoftHsm, tmp_path: Path) -> None:
    """An organisation whose root and issuing key live in a token certifies as any other does."""
    north = tmp_path / "north"
    kept = [Keeping(uri=softhsm.uri("north", name)) for name in ("root", "issuing", "issuing-2")]
    create_organisation(north, "north", now_ms=NOW_MS, root=kept[0], issuing=kept[1])
    replace_issuing(north, now_ms=NOW_MS, keeping=kept[2])
    chain = new_identity(north, "clerk", Role.OPERATOR, now_ms=NOW_MS)
    assert verify_chain(chain, [read_root(north)[1]], NOW_MS).name == "clerk"
    assert isinstance(CertificateAuthority.load(root_directory(north)).key, HsmKey)
    secrets = [path for path in north.rglob("*key.pem") if b"PRIVATE" in path.read_bytes()]
    assert {path.parent.name for path in secrets} == {"clerk"}


def test_an_identity_in_a_token_rotates_to_another_key_there(softhsm: SoftHsm, tmp_path: Path) -> None:
    """Two names, two keys; a key file is as good as ever on the way."""
    north, home = tmp_path / "north", tmp_path / "clerk"
    create_organisation(north, "north", now_ms=NOW_MS)
    whose = {"organisation": "north", "role": Role.OPERATOR, "name": "clerk"}
    first = new_request(home, **whose, keeping=Keeping(uri=softhsm.uri("north", "clerk-1")))
    assert read_request(first)[0].name == "clerk"
    (home / "certificate.pem").write_text(sign_request(north, first, now_ms=NOW_MS))
    second = new_request(home, **whose, rotation=True, keeping=Keeping(uri=softhsm.uri("north", "clerk-2")))
    (home / "next-certificate.pem").write_text(sign_request(north, second, now_ms=NOW_MS))
    before = load_identity(home)[0].public_key
    finish_rotation(home)
    assert load_identity(home)[0].public_key != before


def test_a_request_shows_possession(key: HsmKey) -> None:
    request = build_request(key, organisation="north", role=Role.VALIDATOR, name="validator-1")
    assert read_request(request)[0].role is Role.VALIDATOR


# ---------------------------------------------------------------- what goes wrong


def test_a_key_is_never_made_twice(key: HsmKey, softhsm: SoftHsm) -> None:
    with pytest.raises(IdentityExists, match="never made twice"):
        make_key(parse_uri(softhsm.uri("north", "signing")))
    assert Keeping(uri=softhsm.uri("north", "signing")).make().public_key == key.public_key, "it is taken as it is"


def test_no_key_of_the_name_and_two_of_it_are_told_apart(softhsm: SoftHsm) -> None:
    """HSM_KEY_MISSING; HSM_KEY_AMBIGUOUS until the id says which."""
    with pytest.raises(HsmKeyMissing, match="object=nobody"):
        find_key(parse_uri(softhsm.uri("north", "nobody")))
    for number in ("%01", "%02"):
        make_key(parse_uri(softhsm.uri("north", "twin", more=f";id={number}")))
    with pytest.raises(HsmKeyAmbiguous, match="add an id="):
        find_key(parse_uri(softhsm.uri("north", "twin")))
    one, two = (find_key(parse_uri(softhsm.uri("north", "twin", more=f";id={n}"))) for n in ("%01", "%02"))
    assert one.public_key != two.public_key


def test_a_wrong_pin_is_refused_and_not_told(softhsm: SoftHsm, tmp_path: Path) -> None:
    """HSM_PIN_REFUSED; a PIN that others can read is refused as any secret is; without one it says what to name."""
    softhsm.token("guarded")
    pin = tmp_path / "pin"
    pin.write_text("wrong-31415\n")
    pin.chmod(0o600)
    with pytest.raises(HsmPinRefused) as raised:
        find_key(parse_uri(softhsm.uri("guarded", "signing", pin_file=pin)))
    assert "31415" not in str(raised.value)
    pin.chmod(0o644)
    with pytest.raises(KeyFileUnsafe, match="chmod 600"):
        find_key(parse_uri(softhsm.uri("guarded", "signing", pin_file=pin)))
    without = softhsm.uri("guarded", "signing").partition("&")[0]
    with pytest.raises((HsmPinRefused, HsmKeyMissing)):
        find_key(parse_uri(without))


def test_a_module_or_token_that_is_not_there_is_unavailable(softhsm: SoftHsm, tmp_path: Path) -> None:
    """HSM_UNAVAILABLE, which is worth trying again."""
    with pytest.raises(HsmUnavailable, match="0 such tokens"):
        find_key(parse_uri(softhsm.uri("elsewhere", "signing")))
    with pytest.raises(HsmUnavailable, match="does not answer"):
        find_key(parse_uri(f"pkcs11:token=a;object=b?module-path={tmp_path}/none.so"))


def test_a_token_that_was_taken_out_is_unavailable_and_comes_back(softhsm: SoftHsm) -> None:
    """The same key object signs on in a new session; another key under its name is noticed."""
    softhsm.token("travelling")
    key = make_key(parse_uri(softhsm.uri("travelling", "signing")))
    away = softhsm.directory / "away"
    softhsm.tokens.rename(away)
    softhsm.tokens.mkdir()
    softhsm.refresh()
    with pytest.raises(HsmUnavailable):
        key.sign(b"message")
    softhsm.tokens.rmdir()
    away.rename(softhsm.tokens)
    softhsm.refresh()
    assert verify(key.public_key, b"message", key.sign(b"message"))


def test_without_its_package_the_command_says_what_to_install(tmp_path: Path, softhsm: SoftHsm) -> None:
    """And nothing else needs it: keys in files are read without."""
    path = tmp_path / "key.pem"
    path.write_text(softhsm.uri("north", "signing"))
    path.chmod(0o600)
    program = (
        "import sys; sys.modules['pkcs11'] = None\n"
        "from pathlib import Path\n"
        "from ledgernode.errors import LedgerError\n"
        "from ledgernode.identity.key_file import load_key\n"
        "try: load_key(Path(sys.argv[1]))\n"
        "except LedgerError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, path], check=False, capture_output=True, text=True, env=dict(os.environ)
    )
    assert "install ledgernode[hsm]" in told.stdout, told.stderr
    assert PIN not in told.stdout
