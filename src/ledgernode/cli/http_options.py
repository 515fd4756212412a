"""Where a command serves HTTP, and with which certificate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar

import click

from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from gateway.http.server import Listen
    from ledgernode.cli.connection import Connection

_P = ParamSpec("_P")
_R = TypeVar("_R")
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


class HttpOptions(NamedTuple):
    """As they were given."""

    address: str
    certificate: Path | None
    key: Path | None
    plain: str

    def listen(self, at: Connection) -> Listen | None:
        """What they lead to; nothing where no address was given. Without files it is the identity's own certificate."""
        if not self.address:
            return None
        try:
            from gateway.http.certificates import HttpTls
            from gateway.http.server import listen_at
        except ModuleNotFoundError as error:
            raise BadRequest(f"HTTP needs {error.name}: install ledgernode[gateway]") from error
        if (self.certificate is None) != (self.key is None):
            raise BadRequest("a certificate goes with its key: --http-certificate and --http-key")
        if self.plain:
            return listen_at(self.address, None, anywhere=self.plain == "anywhere")
        own = at.tls_files()
        certificate = self.certificate or at.identity_directory / "tls-certificate.pem"
        key = self.key or at.identity_directory / "tls-key.pem"
        return listen_at(self.address, HttpTls(certificate, key, own.roots, at.unlock))


def http_options(command: Callable[..., _R]) -> Callable[..., _R]:
    """Give a command the options above, as its argument `http`."""

    @functools.wraps(command)
    def with_http(
        *arguments: Any, http: str, http_certificate: Path | None, http_key: Path | None, http_plain: str, **others: Any
    ) -> _R:
        return command(*arguments, http=HttpOptions(http, http_certificate, http_key, http_plain or ""), **others)

    for option in reversed(_OPTIONS):
        with_http = option(with_http)
    return with_http


_OPTIONS: Final = (
    click.option("--http", default="", metavar="HOST:PORT", help="Serve HTTPS there too."),
    click.option("--http-certificate", type=_FILE, help="Its certificate, PEM (default: the identity's TLS one)."),
    click.option("--http-key", type=_FILE, help="The key of that certificate, PEM."),
    click.option(
        "--http-plain",
        type=click.Choice(["loopback", "anywhere"]),
        help="HTTP without TLS: on this machine alone, or anywhere (behind a proxy that ends TLS).",
    ),
)
