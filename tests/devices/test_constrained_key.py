"""The constrained meter's signer: other code, same bytes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.constrained_key import ConstrainedKey
from ledgernode.errors import KeyFileUnsafe
from ledgernode.identity.keys import PrivateKey, verify, verify_digest
from ledgernode.wire.transaction import Body, Kind, Sequence, encode_body, envelope, parse_transaction
from ledgernode.wire.types import ChainId, identity_id


def test_a_key_file_serves_both_builds_alike(tmp_path) -> None:
    """A meter may change its build and keep its key: either signer reads the other's file."""
    made = ConstrainedKey.generate()
    made.save(tmp_path / "made.pem")
    born = PrivateKey.generate()
    born.save(tmp_path / "born.pem")
    assert PrivateKey.load(tmp_path / "made.pem").sign(b"x") == made.sign(b"x")
    assert ConstrainedKey.load(tmp_path / "born.pem").sign(b"x") == born.sign(b"x")
    assert ConstrainedKey.load(tmp_path / "born.pem").public_key == born.public_key


@settings(max_examples=10, deadline=None)
@given(st.binary(max_size=400))
def test_its_signatures_hold_and_are_low(message: bytes) -> None:
    """The ledger's verifier accepts every one."""
    key = ConstrainedKey.generate()
    assert verify(key.public_key, message, key.sign(message))


def test_a_constrained_meter_signs_a_whole_transaction() -> None:
    """An envelope in sequence mode, as a meter that stores readings for days sends it."""
    key = ConstrainedKey.generate()
    body = encode_body(
        Body(
            kind=Kind.TRANSACTION,
            chain_id=ChainId(bytes(32)),
            creator=identity_id(key.public_key),
            replay=Sequence(7),
            budget=10_000,
            contract="readings",
            function="record",
            arguments=b'{"energy_mwh":1200}',
        )
    )
    transaction = parse_transaction(envelope(key.public_key, key.sign(body), body))
    assert verify_digest(transaction.public_key, transaction.id, transaction.signature)


def test_it_needs_no_compiled_cryptography() -> None:
    """The build exists for boards where `cryptography` cannot be installed."""
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from devices.constrained_key import ConstrainedKey\n"
        "print(len(ConstrainedKey.generate().sign(b'x')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "64", done.stderr


def test_loose_foreign_and_broken_files_are_refused(tmp_path) -> None:
    """The same rules as for every other key file."""
    path = tmp_path / "key.pem"
    ConstrainedKey.generate().save(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileUnsafe, match="chmod 600"):
        ConstrainedKey.load(path)
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for content in (b"no key", other, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff"):
        broken = tmp_path / f"{len(content)}.pem"
        broken.write_bytes(content)
        broken.chmod(0o600)
        with pytest.raises(KeyFileUnsafe):
            ConstrainedKey.load(broken)


def test_printing_a_constrained_key_shows_no_secret() -> None:
    """Logs may print it."""
    key = ConstrainedKey.generate()
    assert key.public_key.hex()[:10] in repr(key)
    assert key._key.to_string().hex() not in repr(key)
