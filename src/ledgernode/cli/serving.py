"""What the commands of houses share: addresses of this machine, a broker's access, serving until told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.errors import BadRequest
from ledgernode.identity.secret_file import read_secret

if TYPE_CHECKING:
    from gateway.mqtt.connection import Access

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def address_of(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise BadRequest(f"an address is written HOST:PORT, not {text!r}")
    return host, int(port)


def here(text: str) -> tuple[str, int]:
    """Refuses an address that others reach: tokens would travel in the clear."""
    host, port = address_of(text)
    if host not in _LOOPBACK:
        raise BadRequest(f"there is no TLS here: this listens on this machine, not on {host}")
    return host, port


def broker_access(address: str, user: str, password_file: Path, roots: Path | None) -> Access:
    """Refuses a broker on another machine without TLS."""
    try:
        from gateway.loopback import is_loopback
        from gateway.mqtt.connection import Access, tls_context
    except ImportError as error:
        raise BadRequest(f"MQTT needs {error.name}: install ledgernode[gateway]") from error
    from ledgernode.identity.tls import split_roots

    host, port = address_of(address)
    if roots is None and not is_loopback(host):
        raise BadRequest(f"a broker on another machine ({host}) is reached over TLS only: name its --broker-roots")
    tls = None if roots is None else tls_context(split_roots(roots.read_text()))
    password = read_secret(password_file).decode().strip()
    return Access(host, port, user, tls, user, password)


def ready(port: int) -> None:
    click.echo(f"listening on port {port}")


def serve(running: Coroutine[Any, Any, None]) -> None:
    """Until SIGTERM or SIGINT."""

    async def until_told() -> None:
        task = asyncio.ensure_future(running)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    asyncio.run(until_told())
