"""Signing keys that live in a token: a hardware module, a smart card, or SoftHSM, by PKCS #11.

The key is made in the token and stays there. A digest goes in, r and s come out, and s is brought into the lower half,
as everywhere. Nonces are the token's own: two signatures of one message differ, and both hold.

A process has one session with each token, and one question at a time: modules need not know threads. What a token that
was taken out or restarted has forgotten is asked once more in a new session; then whoever signs hears HSM_UNAVAILABLE.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ledgernode.errors import (
    BadRequest,
    HsmKeyAmbiguous,
    HsmKeyMissing,
    HsmPinRefused,
    HsmUnavailable,
    IdentityExists,
    KeyFileUnsafe,
)
from ledgernode.identity.keys import ORDER, is_public_key
from ledgernode.identity.passphrase import read_passphrase
from ledgernode.identity.pkcs11_uri import KeyUri
from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, sha256

try:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, exceptions
except ModuleNotFoundError as missing:
    raise BadRequest(f"keys in a token need {missing.name}: install ledgernode[hsm]") from missing

_P256: Final = bytes.fromhex("06082a8648ce3d030107")
"""The curve, as DER has its object identifier."""
_HALF: Final = SIGNATURE_BYTES // 2
_PIN_REFUSED: Final = (
    exceptions.PinIncorrect,
    exceptions.PinLocked,
    exceptions.PinExpired,
    exceptions.PinInvalid,
    exceptions.PinLenRange,
    exceptions.UserPinNotInitialized,
)
_ONE_AT_A_TIME: Final = threading.RLock()
_sessions: Final[dict[tuple[str, str, str], Any]] = {}


class HsmKey:
    """A signing key with the face of `identity.keys.PrivateKey`. Its printed form is its name."""

    __slots__ = ("_handle", "_uri", "public_key")

    def __init__(self, uri: KeyUri, handle: Any, public_key: bytes) -> None:
        self._uri = uri
        self._handle = handle
        self.public_key = public_key

    def sign(self, message: bytes) -> bytes:
        """Raises HsmUnavailable where the token does not answer."""
        digest = sha256(message)
        with _ONE_AT_A_TIME:
            try:
                raw = self._raw(digest)
            except exceptions.PKCS11Error:
                self._come_back()
                with _in_our_words(self._uri):
                    raw = self._raw(digest)
        r, s = int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big")
        return r.to_bytes(_HALF, "big") + min(s, ORDER - s).to_bytes(_HALF, "big")

    def to_cryptography(self) -> ec.EllipticCurvePrivateKey:
        return _CertificateKey(self)

    def _raw(self, digest: bytes) -> bytes:
        raw: bytes = self._handle.sign(digest, mechanism=Mechanism.ECDSA)
        assert len(raw) == SIGNATURE_BYTES, "PKCS #11 has r and s of equal length"
        return raw

    def _come_back(self) -> None:
        """Into a new session; refuses where another key has taken the name."""
        _forget(self._uri)
        found = find_key(self._uri)
        if found.public_key != self.public_key:
            raise HsmKeyMissing(f"{self._uri} is another key than before")
        self._handle = found._handle  # noqa: SLF001  # of our own kind

    def __repr__(self) -> str:
        return f"HsmKey({self._uri})"


def find_key(uri: KeyUri) -> HsmKey:
    """Refuses a token that is not there, a PIN that is wrong, no key of the name, two of it, and one off P-256."""
    with _ONE_AT_A_TIME, _in_our_words(uri):
        session = _session(uri)
        private = _objects(session, uri, ObjectClass.PRIVATE_KEY)
        if not private:
            raise HsmKeyMissing(f"{uri}: the token holds no private key of this name")
        if len(private) > 1:
            raise HsmKeyAmbiguous(f"{uri}: the token holds {len(private)} keys of this name, add an id=")
        if (kind := private[0].key_type) is not KeyType.EC:
            raise KeyFileUnsafe(f"{uri}: the ledger's keys are on curve P-256, this one is of kind {kind.name}")
        public = _objects(session, uri, ObjectClass.PUBLIC_KEY)
        if len(public) != 1:
            raise (HsmKeyAmbiguous if public else HsmKeyMissing)(
                f"{uri}: beside the private key the token needs its public half, and holds {len(public)} of this name"
            )
        return HsmKey(uri, private[0], _point(uri, public[0]))


def make_key(uri: KeyUri) -> HsmKey:
    """Have the token make a key of this name, which never leaves it. Refuses a name that is taken."""
    if not uri.object:
        raise BadRequest(f"{uri}: a new key needs a name (object=)")
    with _ONE_AT_A_TIME, _in_our_words(uri):
        session = _session(uri)
        if _objects(session, uri, ObjectClass.PRIVATE_KEY):
            raise IdentityExists(f"{uri}: the token holds such a key already, and a key is never made twice")
        with _token(uri).open(rw=True) as writing:  # logged in by the session that stands
            curve = writing.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: _P256}, local=True)
            curve.generate_keypair(
                id=uri.id or uri.object.encode(),
                label=uri.object,
                store=True,
                mechanism=Mechanism.EC_KEY_PAIR_GEN,
                private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
            )
    return find_key(uri)


def find_or_make_key(uri: KeyUri) -> HsmKey:
    try:
        return find_key(uri)
    except HsmKeyMissing:
        return make_key(uri)


# ---------------------------------------------------------------- the token


def _session(uri: KeyUri) -> Any:
    place = (uri.module, uri.token, uri.serial)
    if place not in _sessions:
        pin = read_passphrase(Path(uri.pin_file)).decode() if uri.pin_file else None
        _sessions[place] = _token(uri).open(user_pin=pin)
    return _sessions[place]


def _token(uri: KeyUri) -> Any:
    """Whatever lies in a slot under this name; a module shows its slots anew each time it is asked."""
    serial = uri.serial.encode() if uri.serial else None
    found = list(pkcs11.lib(uri.module).get_tokens(token_label=uri.token or None, token_serial=serial))
    if len(found) != 1:
        raise HsmUnavailable(f"{uri}: {uri.module} shows {len(found)} such tokens")
    return found[0]


def _forget(uri: KeyUri) -> None:
    session = _sessions.pop((uri.module, uri.token, uri.serial), None)
    try:
        if session is not None:
            session.close()
    except exceptions.PKCS11Error:
        return  # the token has forgotten it too


def _objects(session: Any, uri: KeyUri, kind: ObjectClass) -> list[Any]:
    wanted: dict[Attribute, Any] = {Attribute.CLASS: kind}
    if uri.object:
        wanted[Attribute.LABEL] = uri.object
    if uri.id:
        wanted[Attribute.ID] = uri.id
    return list(session.get_objects(wanted))


def _point(uri: KeyUri, public: Any) -> bytes:
    """65 bytes; tokens put them into an octet string, as the standard says, or not."""
    if public[Attribute.EC_PARAMS] != _P256:
        raise KeyFileUnsafe(f"{uri}: the ledger's keys are on curve P-256, this one is on another")
    point: bytes = public[Attribute.EC_POINT]
    if point[:2] == bytes((0x04, PUBLIC_KEY_BYTES)) and len(point) == PUBLIC_KEY_BYTES + 2:
        point = point[2:]
    if not is_public_key(point):
        raise KeyFileUnsafe(f"{uri}: the token's public half is no point of P-256")
    return point


@contextmanager
def _in_our_words(uri: KeyUri) -> Iterator[None]:
    try:
        yield
    except _PIN_REFUSED as error:
        raise HsmPinRefused(f"{uri}: the token refuses the PIN ({type(error).__name__})") from error
    except exceptions.UserNotLoggedIn as error:
        raise HsmPinRefused(f"{uri}: the token wants a PIN: name its file (pin-source=file:…)") from error
    except exceptions.PKCS11Error as error:
        said = str(error) or type(error).__name__
        raise HsmUnavailable(f"{uri}: the token does not answer ({said})") from error


# ---------------------------------------------------------------- certificates


class _CertificateKey(ec.EllipticCurvePrivateKey):
    """The face by which `cryptography` signs certificates and requests; the key itself cannot be had."""

    def __init__(self, key: HsmKey) -> None:
        self._key = key

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        assert isinstance(signature_algorithm, ec.ECDSA)
        assert isinstance(signature_algorithm.algorithm, hashes.SHA256), "everything of ours is signed with SHA-256"
        raw = self._key.sign(bytes(data))
        return encode_dss_signature(int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return ec.EllipticCurvePublicKey.from_encoded_point(self.curve, self._key.public_key)

    @property
    def curve(self) -> ec.EllipticCurve:
        return ec.SECP256R1()

    @property
    def key_size(self) -> int:
        return self.curve.key_size

    def exchange(self, *_: object) -> NoReturn:
        raise TypeError("a signing key signs")

    def private_numbers(self) -> NoReturn:
        raise TypeError("the key never leaves its token")

    def private_bytes(self, *_: object) -> NoReturn:
        raise TypeError("the key never leaves its token")

    def __copy__(self) -> _CertificateKey:
        return self

    def __deepcopy__(self, memo: Any) -> _CertificateKey:
        return self
