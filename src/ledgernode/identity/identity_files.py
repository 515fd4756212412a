"""The files of one identity: where its keys are born, ask for certificates, and get them.

    DIRECTORY/key.pem      certificate.pem      signs transactions
    DIRECTORY/tls-key.pem  tls-certificate.pem  opens connections
    DIRECTORY/next-key.pem next-certificate.pem a rotation under way

Where one purpose has a folder of its own (a node's `tls/`), its files have no prefix.
A key never leaves its directory; requests go out and certificates come in. A directory without keys
holds the certificates of an identity that lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ledgernode.errors import BadCertificate, IdentityExists
from ledgernode.identity.authority import build_request, read_pem_file
from ledgernode.identity.certificate_profile import Member, Purpose, ReadCertificate, read_pem
from ledgernode.identity.key_file import PLAIN, Keeping, load_key, public_key_of
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.identity.records import Role
from ledgernode.identity.signing import SigningKey

CERTIFICATE: Final = "certificate.pem"
_PREFIXES: Final = {Purpose.SIGNING: ("", "next-"), Purpose.TLS: ("tls-", "next-tls-")}
_EVERY_PREFIX: Final = tuple(prefix for prefixes in _PREFIXES.values() for prefix in prefixes)


def new_request(
    directory: Path,
    *,
    organisation: str,
    role: Role,
    name: str,
    attributes: Mapping[str, str] | None = None,
    purpose: Purpose = Purpose.SIGNING,
    rotation: bool = False,
    prefix: str | None = None,
    keeping: Keeping = PLAIN,
) -> str:
    """Make a key in the directory and the request for its certificate (PEM, also kept as a file).

    Refuses to make a second key; with `rotation` the new key waits beside the one in use.
    """
    if prefix is None:
        prefix = _PREFIXES[purpose][rotation]
    if rotation and not (directory / f"{_PREFIXES[purpose][0]}key.pem").exists():
        raise BadCertificate(f"{directory} has no key to rotate")
    if (directory / f"{prefix}key.pem").exists():
        raise IdentityExists(f"{directory} has a {prefix}key.pem already")
    key = keeping.make()
    request = build_request(
        key, organisation=organisation, role=role, name=name, attributes=attributes, purpose=purpose
    )
    keeping.write(directory / f"{prefix}key.pem", key)
    (directory / f"{prefix}request.pem").write_text(request)
    return request


def place_certificate(directory: Path, chain_pem: str, unlock: Unlock = none_given) -> Path:
    """Put a certificate beside the key it is for; refuses one that fits none of the keys there."""
    leaf = _leaf(chain_pem)
    keyed = [prefix for prefix in _EVERY_PREFIX if (directory / f"{prefix}key.pem").exists()]
    fitting = [p for p in keyed if public_key_of(directory / f"{p}key.pem", unlock) == leaf.public_key]
    if keyed and not fitting:
        raise IdentityExists(f"{directory} holds another key: this certificate belongs to an identity elsewhere")
    prefix = fitting[0] if fitting else _PREFIXES[_member(leaf).purpose][0]
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / f"{prefix}{CERTIFICATE}"
    path.write_text(chain_pem)
    return path


def finish_rotation(directory: Path, purpose: Purpose = Purpose.SIGNING) -> None:
    """Let the next key take the place of the old one, which is kept as `old-…`; refuses without a certificate.

    Call it once the ledger has accepted the rotation: the old key speaks until its overlap ends. A run
    that was interrupted is taken up where it stopped.
    """
    current, following = _PREFIXES[purpose]
    if not (directory / f"{following}{CERTIFICATE}").exists():
        raise BadCertificate(f"{directory} has no certificate for its next key yet")
    for file in ("key.pem", CERTIFICATE):
        if not (directory / f"{following}{file}").exists():
            continue  # in its place already: moving on would push the new key out
        if (directory / f"{current}{file}").exists():
            (directory / f"{current}{file}").replace(directory / f"old-{current}{file}")
        (directory / f"{following}{file}").replace(directory / f"{current}{file}")
    (directory / f"{following}request.pem").unlink(missing_ok=True)


def load_identity(directory: Path, unlock: Unlock = none_given) -> tuple[SigningKey, str]:
    """The signing key and its chain; refuses loose modes, and a certificate of another key."""
    key = load_key(directory / "key.pem", unlock)
    chain = read_pem_file(directory / CERTIFICATE)
    if _leaf(chain).public_key != key.public_key:
        raise BadCertificate(f"{directory}: {CERTIFICATE} is not of key.pem")
    return key, chain


def _leaf(chain_pem: str) -> ReadCertificate:
    leaf = read_pem(chain_pem, 2)[0]
    _member(leaf)
    return leaf


def _member(leaf: ReadCertificate) -> Member:
    if leaf.member is None:
        raise BadCertificate("an authority's certificate is nobody's identity")
    return leaf.member
