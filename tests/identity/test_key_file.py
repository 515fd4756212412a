"""What a key.pem may be, and what opens it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ledgernode.errors import BadRequest, KeyFileUnsafe, PassphraseMissing, PassphraseWrong
from ledgernode.identity import encrypted_key
from ledgernode.identity.authority import CertificateAuthority, create_root
from ledgernode.identity.certificates import verify_chain
from ledgernode.identity.identity_files import finish_rotation, load_identity, new_request, place_certificate
from ledgernode.identity.key_file import Keeping, kept_as, load_key, protect, public_key_of, tls_key
from ledgernode.identity.keys import PrivateKey, verify
from ledgernode.identity.organisation import (
    create_organisation,
    issuing_directory,
    new_identity,
    replace_issuing,
    root_directory,
    sign_request,
)
from ledgernode.identity.passphrase import from_file, in_settings, none_given, read_passphrase, require_long
from ledgernode.identity.records import Role
from ledgernode.sts.keys import Secret

KEY = PrivateKey.generate()
PASSPHRASE = Secret(b"correct horse battery staple")
NOW_MS = 1_767_225_600_000


def unlock(_path: Path) -> Secret:
    return PASSPHRASE


def other(_path: Path) -> Secret:
    return Secret(b"another horse altogether")


def refuses_to_ask(path: Path) -> Secret:
    raise AssertionError(f"the passphrase of {path} was asked for without need")


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A try costs a tenth of a second by design; here it may cost nothing."""
    if "openssl" not in request.node.name:
        monkeypatch.setattr(encrypted_key, "COST", 2)
        monkeypatch.setattr(encrypted_key, "PARALLEL", 1)


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    path = tmp_path / "encrypted" / "key.pem"
    Keeping(PASSPHRASE).write(path, KEY)
    return path


def passphrase_file(directory: Path, text: bytes = bytes(PASSPHRASE) + b"\n") -> Path:
    path = directory / "passphrase"
    path.write_bytes(text)
    path.chmod(0o600)
    return path


def test_an_encrypted_key_signs_as_before_and_shows_nothing(encrypted: Path) -> None:
    """Its secret stands in the file in no form; the mode is a key's; with the passphrase it is the same key."""
    secret = KEY.to_cryptography().private_numbers().private_value.to_bytes(32, "big")
    content = encrypted.read_bytes()
    assert secret not in content
    assert b"BEGIN PRIVATE" not in content
    assert encrypted.stat().st_mode & 0o777 == 0o600
    found = load_key(encrypted, unlock)
    assert found.public_key == KEY.public_key
    assert verify(KEY.public_key, b"message", found.sign(b"message"))
    assert encrypted_key.encrypt(KEY.to_cryptography(), PASSPHRASE) != content, "each file has a salt of its own"


def test_openssl_reads_what_is_written(encrypted: Path) -> None:
    """It is nobody's format but the standard's: PBES2, scrypt with 2^14, 8, 5, and AES-256-CBC."""
    assert shutil.which("openssl"), "openssl is part of every machine that runs this"
    told = subprocess.run(
        ["openssl", "pkey", "-in", encrypted, "-passin", "stdin", "-pubout", "-outform", "DER"],
        input=PASSPHRASE,
        capture_output=True,
        check=True,
    ).stdout
    assert told.endswith(KEY.public_key)
    parsed = subprocess.run(
        ["openssl", "asn1parse"],
        input=encrypted.read_bytes().partition(b"-----END PUBLIC KEY-----\n")[2],
        capture_output=True,
        check=True,
        text=False,
    ).stdout.decode()
    for part in ("PBES2", "scrypt", ":4000", ":08", ":05", "aes-256-cbc"):
        assert part in parsed


def test_without_a_passphrase_it_is_refused_and_the_message_says_how(encrypted: Path) -> None:
    """PASSPHRASE_MISSING names the file and both ways."""
    with pytest.raises(PassphraseMissing, match=r"--key-passphrase-file.*key_passphrase_file") as raised:
        load_key(encrypted)
    assert str(encrypted) in str(raised.value)


def test_another_passphrase_is_refused_without_telling_either(encrypted: Path) -> None:
    """PASSPHRASE_WRONG, and neither passphrase in the message."""
    with pytest.raises(PassphraseWrong) as raised:
        load_key(encrypted, other)
    assert "horse" not in str(raised.value)


def test_a_plain_key_asks_for_nothing(tmp_path: Path) -> None:
    """Files from before go on working."""
    KEY.save(tmp_path / "key.pem")
    assert load_key(tmp_path / "key.pem", refuses_to_ask).public_key == KEY.public_key
    assert tls_key(tmp_path / "key.pem", refuses_to_ask) == (tmp_path / "key.pem").read_bytes()


def test_whose_key_it_is_needs_no_passphrase(encrypted: Path) -> None:
    """A certificate that comes back finds its key unattended; opening checks what the file said of itself."""
    assert public_key_of(encrypted, refuses_to_ask) == KEY.public_key


def test_a_public_half_of_another_key_is_refused_when_the_file_is_opened(encrypted: Path, tmp_path: Path) -> None:
    """Nobody vouches for the public half before."""
    altered = tmp_path / "key.pem"
    theirs = encrypted_key.encrypt(PrivateKey.generate().to_cryptography(), PASSPHRASE)
    public, _, _ = theirs.partition(b"-----BEGIN ENCRYPTED")
    _, begin, sealed = encrypted.read_bytes().partition(b"-----BEGIN ENCRYPTED")
    altered.write_bytes(public + begin + sealed)
    altered.chmod(0o600)
    with pytest.raises(KeyFileUnsafe, match="altered"):
        load_key(altered, unlock)


def test_keys_that_others_have_encrypted_are_opened(tmp_path: Path) -> None:
    """Whatever PKCS 8 allows: here PBKDF2 and no public half beside it."""
    path = tmp_path / "key.pem"
    path.write_bytes(
        KEY.to_cryptography().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
        )
    )
    path.chmod(0o600)
    assert load_key(path, lambda _: Secret(b"pw")).public_key == KEY.public_key
    assert public_key_of(path, lambda _: Secret(b"pw")) == KEY.public_key


@pytest.mark.parametrize("content", [b"", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n", b"pkcs11:"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """By one of our codes, never by a stack."""
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises((KeyFileUnsafe, PassphraseWrong, BadRequest)):
        load_key(path, unlock)


def test_other_curves_and_kinds_stay_refused(tmp_path: Path) -> None:
    """Encrypted or not, the ledger's keys are on P-256."""
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    for number, key in enumerate((ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048))):
        path = tmp_path / f"{number}.pem"
        path.write_bytes(key.private_bytes(*pem, serialization.BestAvailableEncryption(bytes(PASSPHRASE))))
        path.chmod(0o600)
        with pytest.raises(KeyFileUnsafe, match="P-256"):
            load_key(path, unlock)


# ---------------------------------------------------------------- passphrases


def test_a_passphrase_file_is_read_when_it_is_needed(encrypted: Path, tmp_path: Path) -> None:
    """Its first line counts; it may be replaced while a process runs."""
    opened = in_settings(tmp_path, "passphrase")
    with pytest.raises(KeyFileUnsafe, match="cannot be read"):
        load_key(encrypted, opened)
    passphrase_file(tmp_path, b"not this one\r\n")
    with pytest.raises(PassphraseWrong):
        load_key(encrypted, opened)
    passphrase_file(tmp_path)
    assert load_key(encrypted, opened).public_key == KEY.public_key
    assert in_settings(tmp_path, "") is none_given


def test_a_passphrase_that_others_can_read_is_refused(encrypted: Path, tmp_path: Path) -> None:
    """KEY_FILE_UNSAFE with the chmod, as for a key."""
    path = passphrase_file(tmp_path)
    path.chmod(0o640)
    with pytest.raises(KeyFileUnsafe, match=f"chmod 600 {path}"):
        load_key(encrypted, from_file(path))


def test_an_empty_or_short_passphrase_protects_nothing(tmp_path: Path) -> None:
    """At least twelve characters for what we encrypt."""
    with pytest.raises(KeyFileUnsafe, match="no passphrase"):
        read_passphrase(passphrase_file(tmp_path, b"\n"))
    with pytest.raises(KeyFileUnsafe, match="12 characters"):
        require_long(Secret(b"elevenchars"))
    with pytest.raises(KeyFileUnsafe, match="12 characters"):
        Keeping(Secret(b"short")).write(tmp_path / "key.pem", KEY)
    assert not (tmp_path / "key.pem").exists()


def test_nothing_prints_a_passphrase(tmp_path: Path) -> None:
    """Not a value, not what carries it."""
    assert "horse" not in f"{PASSPHRASE!r}{PASSPHRASE}{Keeping(PASSPHRASE)!r}"


# ---------------------------------------------------------------- put on, changed, taken off


def test_a_passphrase_is_put_on_changed_and_taken_off(tmp_path: Path) -> None:
    """The same key each time, one file, its mode kept, nothing left beside it."""
    path = tmp_path / "key.pem"
    KEY.save(path)
    second = Secret(b"a second one, longer")
    protect(path, refuses_to_ask, PASSPHRASE)
    assert b"ENCRYPTED" in path.read_bytes()
    protect(path, unlock, second)
    with pytest.raises(PassphraseWrong):
        load_key(path, unlock)
    protect(path, lambda _: second, None)
    assert load_key(path, refuses_to_ask).public_key == KEY.public_key
    assert [found.name for found in tmp_path.iterdir()] == ["key.pem"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_wrong_passphrase_changes_nothing(tmp_path: Path) -> None:
    """Nor does one that is too short."""
    path = tmp_path / "key.pem"
    Keeping(PASSPHRASE).write(path, KEY)
    before = path.read_bytes()
    with pytest.raises(PassphraseWrong):
        protect(path, other, None)
    with pytest.raises(KeyFileUnsafe):
        protect(path, unlock, Secret(b"short"))
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["key.pem"]


# ---------------------------------------------------------------- organisations and identities


def test_an_organisation_under_a_passphrase(tmp_path: Path) -> None:
    """Root and issuing authority sign with it and refuse without; what they certify is as ever."""
    north = tmp_path / "north"
    kept = Keeping(PASSPHRASE)
    create_organisation(north, "north", now_ms=NOW_MS, root=kept, issuing=kept)
    with pytest.raises(PassphraseMissing):
        new_identity(north, "admin", Role.ADMIN, now_ms=NOW_MS)
    chain = new_identity(north, "clerk", Role.OPERATOR, now_ms=NOW_MS, unlock=unlock)
    root = CertificateAuthority.load(root_directory(north), unlock)
    assert verify_chain(chain, [root.certificate], NOW_MS).name == "clerk"


def test_a_rotation_keeps_a_key_as_the_one_before_was_kept(tmp_path: Path) -> None:
    """A certificate is placed without the passphrase; the next key is under the same one."""
    north, home = tmp_path / "north", tmp_path / "clerk"
    create_organisation(north, "north", now_ms=NOW_MS)
    whose = {"organisation": "north", "role": Role.OPERATOR, "name": "clerk"}
    place_certificate(home, sign_request(north, new_request(home, **whose, keeping=Keeping(PASSPHRASE)), now_ms=NOW_MS))
    before = load_identity(home, unlock)[0].public_key
    following = new_request(home, **whose, rotation=True, keeping=kept_as(home / "key.pem", unlock))
    place_certificate(home, sign_request(north, following, now_ms=NOW_MS), refuses_to_ask)
    finish_rotation(home)
    with pytest.raises(PassphraseMissing):
        load_identity(home)
    assert load_identity(home, unlock)[0].public_key != before


@pytest.mark.parametrize("kept", [Keeping(), Keeping(PASSPHRASE)], ids=["plain", "encrypted"])
def test_an_issuing_authority_is_replaced_and_the_one_before_holds_on(tmp_path: Path, kept: Keeping) -> None:
    """What it certified is still good; what comes now is of the new one; the root's key must be at hand."""
    north = tmp_path / "north"
    create_organisation(north, "north", now_ms=NOW_MS, root=kept, issuing=kept)
    root = CertificateAuthority.load(root_directory(north), unlock)
    early = new_identity(north, "early", Role.OPERATOR, now_ms=NOW_MS, unlock=unlock)
    replace_issuing(north, now_ms=NOW_MS, unlock=unlock)
    late = new_identity(north, "late", Role.OPERATOR, now_ms=NOW_MS, unlock=unlock)
    assert [verify_chain(chain, [root.certificate], NOW_MS).name for chain in (early, late)] == ["early", "late"]
    assert early.split("-----END")[1] != late.split("-----END")[1], "they have different authorities"
    with pytest.raises(Exception, match="old-issuing"):
        replace_issuing(north, now_ms=NOW_MS, unlock=unlock)
    shutil.rmtree(issuing_directory(north).with_name("old-issuing"))
    (root_directory(north) / "key.pem").rename(tmp_path / "offline.pem")
    with pytest.raises(KeyFileUnsafe, match="cannot be read"):
        replace_issuing(north, now_ms=NOW_MS, unlock=unlock)


def test_a_root_that_was_made_elsewhere_is_saved_as_it_is_to_be_kept(tmp_path: Path) -> None:
    """An authority in memory is written plain unless it is said how."""
    create_root("north", now_ms=NOW_MS).save(tmp_path / "ca", Keeping(PASSPHRASE))
    assert CertificateAuthority.load(tmp_path / "ca", unlock).organisation == "north"
