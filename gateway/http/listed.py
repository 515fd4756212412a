"""Who may come with a secret: a file that is its owner's alone, read again when it has changed; signatures by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import structlog

from gateway.http.signature import Claim, holds, read_claim
from gateway.http.signature import Request as SignedRequest
from ledgernode.errors import BadRequest, CredentialsInvalid, LedgerError

if TYPE_CHECKING:
    from fastapi import Request  # who only writes such a file needs no server

_NOBODY: Final = bytes(32)


class Named(Protocol):
    """Whoever stands in such a file."""

    @property
    def name(self) -> str: ...

    @property
    def secret_sha256(self) -> str: ...


_T = TypeVar("_T", bound=Named)


class Listed(Generic[_T]):
    """What stands in the file now; what stood there before, where it cannot be read. Empty where there is none."""

    def __init__(self, path: Path, read: Callable[[Path], Sequence[_T]]) -> None:
        self._path = path
        self._read = read
        self._known: dict[str, _T] = {}
        self._read_as: tuple[int, int] | None = None
        self._log: Any = structlog.get_logger("gateway.http")
        if path.exists():
            self._reload()

    def __iter__(self) -> Iterator[_T]:
        self._refresh()
        return iter(list(self._known.values()))

    def find(self, name: str) -> _T | None:
        self._refresh()
        return self._known.get(name)

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._known, self._read_as = {}, None
            return
        if (found.st_mtime_ns, found.st_size) != self._read_as:
            try:
                self._reload()
            except LedgerError as error:
                self._log.error("a file of secrets cannot be read", code=error.code, reason=str(error))

    def _reload(self) -> None:
        found = self._path.stat()
        self._read_as = (found.st_mtime_ns, found.st_size)
        self._known = {one.name: one for one in self._read(self._path)}


def require_names(path: Path, listed: Sequence[Named]) -> None:
    """Refuses a name that stands twice, and a secret that is not there as its hash."""
    names = [one.name for one in listed]
    if len(set(names)) != len(names):
        raise BadRequest(f"{path}: every name stands there once")
    for one in listed:
        if len(one.secret_sha256) != 64 or not set(one.secret_sha256) <= set("0123456789abcdef"):
            raise BadRequest(f"{path}: the secret of {one.name} stands there as a SHA-256 in hex")


async def signed_by(request: Request, header: str, key_of: Callable[[str], bytes | None]) -> Claim:
    """Who has signed the request. Raises CredentialsInvalid; whether it came before is `Seen`'s question."""
    claim = read_claim(header)
    key = key_of(claim.name)
    signed = SignedRequest(request.method, target_of(request), await request.body())
    if not holds(claim, key or _NOBODY, signed) or key is None:
        raise CredentialsInvalid("the signature does not hold")
    return claim


def target_of(request: Request) -> str:
    """Path and query as they were sent."""
    raw = request.scope.get("raw_path") or request.url.path.encode()
    query = request.scope.get("query_string", b"")
    return str((raw + (b"?" + query if query else b"")).decode("latin-1"))
