"""The name of a key in a token: a PKCS #11 URI (RFC 7512), as far as a signing key needs it. Pure.

    pkcs11:token=north;object=validator-1?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/north/pin

`token` or `serial` says which token, `object` or `id` which key in it. The PIN stands in a file of its own and never in
the name, which is shown in errors. An attribute that is not read here is refused: to pass it over could lead to
another key than was meant.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import msgspec

from ledgernode.errors import BadRequest

SCHEME: Final = "pkcs11:"
_LONGEST: Final = 2_048
_TEXTS: Final = ("token", "serial", "object")
_WHOLE: Final = re.compile(r"pkcs11:([A-Za-z0-9._~:\[\]@!$'()*+,=&;%/-]*)(\?([A-Za-z0-9._~:\[\]@!$'()*+,=&;%/?|-]*))?")
_ESCAPES: Final = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")


class KeyUri(msgspec.Struct, frozen=True):
    """Which key of which token, by which module, and where its PIN is; empty where the URI does not say."""

    module: str
    token: str = ""
    serial: str = ""
    object: str = ""
    id: bytes = b""
    pin_file: str = ""

    def __str__(self) -> str:
        """The key's name in messages."""
        which = [
            f"{name}={quote(text, safe=' ')}"
            for name, text in (("token", self.token), ("serial", self.serial), ("object", self.object))
            if text
        ]
        return SCHEME + ";".join([*which, *([f"id={self.id.hex()}"] if self.id else [])])


def parse_uri(text: str) -> KeyUri:
    """Refuses what is no such URI, a PIN in it, and one that does not say module, token and key."""
    found = _WHOLE.fullmatch(text)
    if len(text) > _LONGEST or found is None or not _ESCAPES.fullmatch(text):
        raise BadRequest("the name of a key in a token is a PKCS #11 URI: pkcs11:token=…;object=…?module-path=…")
    path = _attributes(found[1], ";")
    query = _attributes(found[3] or "", "&")
    if "pin-value" in query:
        raise BadRequest("a PIN stands in a file of its own (pin-source=file:…), never in the key's name")
    if path.pop("type", b"private") != b"private":
        raise BadRequest("a PKCS #11 URI of a signing key has type=private, or none")
    module = _text(query.pop("module-path", b""))
    source = _text(query.pop("pin-source", b""))
    texts = {name: _text(path.pop(name, b"")) for name in _TEXTS}
    identifier = path.pop("id", b"")
    if unread := sorted({*path, *query}):
        raise BadRequest(f"a PKCS #11 URI of ours has no {', '.join(unread)}")
    if not Path(module).is_absolute():
        raise BadRequest("a PKCS #11 URI says which library leads to the token: module-path=/…/….so")
    if not (texts["token"] or texts["serial"]) or not (texts["object"] or identifier):
        raise BadRequest("a PKCS #11 URI says which token (token, serial) and which key (object, id)")
    return KeyUri(module, **texts, id=identifier, pin_file=_pin_file(source))


def _attributes(text: str, separator: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if not (name and equals) or name in found:
            raise BadRequest("an attribute of a PKCS #11 URI is NAME=VALUE, each name once")
        found[name] = unquote_to_bytes(value)
    return found


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest("a name in a PKCS #11 URI is UTF-8") from None


def _pin_file(source: str) -> str:
    """Of `file:/path`, `file:///path` or a path; a program to ask (|…) is not taken."""
    path = source.removeprefix("file:")
    if path.startswith("//"):
        path = path.removeprefix("//")
    if source and not Path(path).is_absolute():
        raise BadRequest("pin-source of a PKCS #11 URI is file:/…, the file with the PIN")
    return path
