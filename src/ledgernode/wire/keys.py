"""State keys: a contract's namespace, NUL, and the key's text.

A simple key is text without NUL. A composite key is NUL, a kind, NUL, and each part followed by NUL,
so that all keys of a kind (and of its leading whole parts) lie together, and of two keys with as many
parts neither is a prefix of the other.
"""

from __future__ import annotations

from typing import Final

from ledgernode.errors import BadKey

SEPARATOR: Final = "\x00"


def simple_key(key: str, limit: int) -> str:
    """The key itself; refuses an empty one, NUL, and more than `limit` bytes of UTF-8."""
    if not isinstance(key, str) or not key or SEPARATOR in key or len(_utf8(key)) > limit:
        raise BadKey(f"a key is text of 1 to {limit} bytes without NUL")
    return key


def composite_key(kind: str, *parts: str) -> str:
    """Join; refuses parts that are not text or contain NUL, and an empty kind."""
    for part in (kind, *parts):
        if not isinstance(part, str) or SEPARATOR in part:
            raise BadKey("the parts of a composite key are text without NUL")
    if not kind:
        raise BadKey("a composite key begins with a kind")
    return SEPARATOR + SEPARATOR.join((kind, *parts)) + SEPARATOR


def split_composite(key: str) -> tuple[str, ...]:
    """(kind, part, …); refuses a key that `composite_key` did not make."""
    if len(key) < 3 or key[0] != SEPARATOR or key[1] == SEPARATOR or key[-1] != SEPARATOR:
        raise BadKey("this is not a composite key")
    return tuple(key[1:-1].split(SEPARATOR))


def is_composite(key: str) -> bool:
    return key.startswith(SEPARATOR)


def state_key(namespace: str, key: str) -> bytes:
    """The bytes under which the store keeps it."""
    return namespace.encode("ascii") + b"\x00" + _utf8(key)


def split_state_key(raw: bytes) -> tuple[str, str]:
    namespace, _, key = raw.partition(b"\x00")
    return namespace.decode("ascii"), key.decode()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadKey("a key is text that UTF-8 can carry") from error
