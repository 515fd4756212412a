"""Keys and signatures: two independent implementations must agree on every input."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from ecdsa import NIST256p, SigningKey
from ecdsa.util import sigencode_string, sigencode_string_canonize
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgernode.errors import KeyFileUnsafe
from ledgernode.identity import keys
from ledgernode.identity.keys import PrivateKey, is_public_key, verify, verify_digest
from tests.identity.oracle import ORDER, oracle_verify

SECRETS = st.integers(1, ORDER - 1)
MESSAGE = b"a reading"
KEY = PrivateKey(ec.derive_private_key(0xC0FFEE, ec.SECP256R1()))
SIGNATURE = KEY.sign(MESSAGE)
R, S = int.from_bytes(SIGNATURE[:32], "big"), int.from_bytes(SIGNATURE[32:], "big")


def raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def both(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """The verdict of both verifiers, which must be one."""
    ours = verify(public_key, message, signature)
    assert ours is oracle_verify(public_key, message, signature)
    assert ours is verify_digest(public_key, hashlib.sha256(message).digest(), signature)
    return ours


@settings(max_examples=25, deadline=None)
@given(SECRETS, st.binary(max_size=300))
def test_both_implementations_sign_alike_and_accept_each_other(secret: int, message: bytes) -> None:
    """RFC 6979 and low-s leave one signature per key and message, whoever makes it."""
    ours = PrivateKey(ec.derive_private_key(secret, ec.SECP256R1()))
    theirs = SigningKey.from_secret_exponent(secret, NIST256p, hashlib.sha256)
    signature = ours.sign(message)
    assert signature == theirs.sign_deterministic(message, sigencode=sigencode_string_canonize)
    assert ours.public_key == theirs.get_verifying_key().to_string("uncompressed")
    assert both(ours.public_key, message, signature)


@settings(max_examples=15, deadline=None)
@given(SECRETS, st.binary(max_size=100))
def test_randomly_nonced_signatures_hold_exactly_when_low(secret: int, message: bytes) -> None:
    """A foreign signer may draw its nonce; only the half of s decides."""
    theirs = SigningKey.from_secret_exponent(secret, NIST256p, hashlib.sha256)
    public_key = theirs.get_verifying_key().to_string("uncompressed")
    signature = theirs.sign(message, sigencode=sigencode_string)
    low = int.from_bytes(signature[32:], "big") <= ORDER // 2
    assert both(public_key, message, signature) is low


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 64 * 8 - 1))
def test_a_flipped_bit_of_the_signature_breaks_it(bit: int) -> None:
    """No other 64 bytes near a valid signature are one."""
    flipped = bytearray(SIGNATURE)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not both(KEY.public_key, MESSAGE, bytes(flipped))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 65 * 8 - 1))
def test_a_flipped_bit_of_the_key_breaks_it(bit: int) -> None:
    """Such a key is off the curve, or is another key, or has another first byte."""
    flipped = bytearray(KEY.public_key)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not both(bytes(flipped), MESSAGE, SIGNATURE)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=130), st.binary(max_size=130))
def test_random_bytes_are_refused_alike(public_key: bytes, signature: bytes) -> None:
    """Nothing is raised, whatever comes."""
    assert not both(public_key, MESSAGE, signature)
    assert not both(KEY.public_key, MESSAGE, signature)


EDGES = {
    "high s": raw(R, ORDER - S),
    "r zero": raw(0, S),
    "s zero": raw(R, 0),
    "both zero": bytes(64),
    "r is n": raw(ORDER, S),
    "s is n": raw(R, ORDER),
    "r is n-1": raw(ORDER - 1, S),
    "s is n-1": raw(R, ORDER - 1),
    "s just above the half": raw(R, ORDER // 2 + 1),
    "s is the half": raw(R, ORDER // 2),
    "r above n, equal modulo n": raw((R + ORDER) % (1 << 256), S),
    "all ones": b"\xff" * 64,
    "one byte short": SIGNATURE[:-1],
    "one byte long": SIGNATURE + b"\x00",
    "leading zero added": b"\x00" + SIGNATURE,
    "empty": b"",
    "r alone": SIGNATURE[:32],
    "r and s exchanged": SIGNATURE[32:] + SIGNATURE[:32],
    "DER instead of raw": encode_dss_signature(R, S),
    "DER cut to 64 bytes": encode_dss_signature(R, S)[:64],
}


@pytest.mark.parametrize("name", EDGES)
def test_edges_of_a_signature_are_refused(name: str) -> None:
    """One encoding of one signature is valid; both verifiers refuse all others."""
    assert both(KEY.public_key, MESSAGE, SIGNATURE)
    assert not both(KEY.public_key, MESSAGE, EDGES[name])


X, Y = KEY.public_key[1:33], KEY.public_key[33:]
FIELD = int(NIST256p.curve.p())
KEY_EDGES = {
    "compressed": bytes((2 + Y[-1] % 2,)) + X,
    "hybrid": bytes((6 + Y[-1] % 2,)) + X + Y,
    "without its first byte": X + Y,
    "not on the curve": KEY.public_key[:-1] + bytes((KEY.public_key[-1] ^ 1,)),
    "the other root": b"\x04" + X + (FIELD - int.from_bytes(Y, "big")).to_bytes(32, "big"),
    "the origin": b"\x04" + bytes(64),
    "infinity": b"\x00",
    "infinity, padded": bytes(65),
    "x beyond the field": b"\x04" + FIELD.to_bytes(32, "big") + Y,
    "one byte short": KEY.public_key[:-1],
    "one byte long": KEY.public_key + b"\x00",
    "empty": b"",
    "DER": KEY.to_cryptography()
    .public_key()
    .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
}


@pytest.mark.parametrize("name", KEY_EDGES)
def test_edges_of_a_key_are_refused(name: str) -> None:
    """65 bytes, 0x04 first, on the curve, and the right one: anything else verifies nothing."""
    assert not both(KEY_EDGES[name], MESSAGE, SIGNATURE)


def test_only_points_of_the_curve_are_public_keys() -> None:
    """What registers as a key can verify something."""
    assert is_public_key(KEY.public_key)
    assert is_public_key(KEY_EDGES["the other root"])
    for name in ("compressed", "hybrid", "not on the curve", "the origin", "empty", "x beyond the field"):
        assert not is_public_key(KEY_EDGES[name])


def test_another_message_or_a_digest_of_wrong_size_does_not_verify() -> None:
    """A signature holds for its message alone."""
    assert not both(KEY.public_key, b"another reading", SIGNATURE)
    assert not verify_digest(KEY.public_key, hashlib.sha256(MESSAGE).digest()[:-1], SIGNATURE)
    assert not verify_digest(KEY.public_key, b"", SIGNATURE)


def test_malformed_keys_are_not_kept() -> None:
    """Whoever sends bad keys cannot push good ones out of the cache."""
    keys._parsed.cache_clear()
    assert verify(KEY.public_key, MESSAGE, SIGNATURE)
    for name, public_key in KEY_EDGES.items():
        if name != "the other root":
            verify(public_key, MESSAGE, SIGNATURE)
    assert keys._parsed.cache_info().currsize == 1
    assert verify(KEY.public_key, MESSAGE, SIGNATURE)
    assert keys._parsed.cache_info().hits >= 1


def test_a_saved_key_signs_as_before(tmp_path) -> None:
    """The file is PEM, PKCS 8, readable by its owner only, in a directory of its owner only."""
    path = tmp_path / "new" / "deep" / "key.pem"
    KEY.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert PrivateKey.load(path).sign(MESSAGE) == SIGNATURE


def test_a_key_is_never_overwritten(tmp_path) -> None:
    """A second save refuses and the first key stays."""
    path = tmp_path / "key.pem"
    KEY.save(path)
    with pytest.raises(KeyFileUnsafe, match="exists already"):
        PrivateKey.generate().save(path)
    assert PrivateKey.load(path).public_key == KEY.public_key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o611, 0o644])
def test_a_loose_key_file_is_refused_with_the_cure(tmp_path, mode: int) -> None:
    """Whatever group or others may do with it, it is refused, and the message says the chmod."""
    path = tmp_path / "key.pem"
    KEY.save(path)
    path.chmod(mode)
    with pytest.raises(KeyFileUnsafe, match=f"chmod 600 {path}"):
        PrivateKey.load(path)
    path.chmod(0o400)
    assert PrivateKey.load(path).public_key == KEY.public_key


class Seen:
    """A file as the system tells of it; the process that looks is 10001:10001, in group 2000 too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fstat, self.owner, self.group, self.mode = os.fstat, 0, 2000, 0o440
        monkeypatch.setattr(os, "geteuid", lambda: 10001)
        monkeypatch.setattr(os, "getegid", lambda: 10001)
        monkeypatch.setattr(os, "getgroups", lambda: [2000])
        monkeypatch.setattr(os, "fstat", self)

    def __call__(self, descriptor: int) -> os.stat_result:
        found = list(self.fstat(descriptor))
        found[0], found[4], found[5] = stat.S_IFREG | self.mode, self.owner, self.group
        return os.stat_result(found)


def test_a_key_that_root_gives_to_our_group_is_taken(tmp_path, monkeypatch) -> None:
    """As a cluster mounts a secret for a service: root's file, which the service's group may read and nobody else."""
    path = tmp_path / "key.pem"
    KEY.save(path)
    seen = Seen(monkeypatch)
    for seen.mode, seen.group in ((0o440, 2000), (0o640, 2000), (0o040, 10001)):
        assert PrivateKey.load(path).public_key == KEY.public_key


@pytest.mark.parametrize(
    ("owner", "group", "mode"),
    [(10001, 2000, 0o440), (500, 2000, 0o440), (0, 3000, 0o440), (0, 2000, 0o444), (0, 2000, 0o460), (0, 2000, 0o450)],
)
def test_a_key_that_others_share_is_refused(tmp_path, monkeypatch, owner: int, group: int, mode: int) -> None:
    """Our own file with a loose mode, a third person's, a foreign group's, and what a group may do more than read."""
    path = tmp_path / "key.pem"
    KEY.save(path)
    seen = Seen(monkeypatch)
    seen.owner, seen.group, seen.mode = owner, group, mode
    with pytest.raises(KeyFileUnsafe, match="by others"):
        PrivateKey.load(path)


def test_files_that_hold_no_such_key_are_refused(tmp_path) -> None:
    """Missing, not PEM, RSA, another curve, too large, under a password: one error, whose text says which."""
    with pytest.raises(KeyFileUnsafe, match="cannot be read"):
        PrivateKey.load(tmp_path / "missing.pem")
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    plain, locked = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"secret")
    contents = {
        "no readable": b"not a key",
        "another kind": rsa.generate_private_key(65537, 2048).private_bytes(*pem, plain),
        "secp384r1": ec.generate_private_key(ec.SECP384R1()).private_bytes(*pem, plain),
        "larger than": b"x" * 70_000,
        "no password": KEY.to_cryptography().private_bytes(*pem, locked),
    }
    for number, (words, content) in enumerate(contents.items()):
        path = tmp_path / f"{number}.pem"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyFileUnsafe, match=words):
            PrivateKey.load(path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path) -> None:
    """The error names the path, not a stack."""
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileUnsafe, match="cannot be written"):
        KEY.save(tmp_path / "file" / "key.pem")


def test_printing_a_key_shows_no_secret() -> None:
    """Logs and tracebacks may print it."""
    secret = KEY.to_cryptography().private_numbers().private_value
    assert f"{secret:x}" not in repr(KEY)
    assert KEY.public_key.hex()[:10] in repr(KEY)
