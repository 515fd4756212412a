"""A vending module in a process of its own: the one that listens to the world never has a key.

One request a line over a Unix socket, JSON; keys and messages in hex. Whoever is another user is not heard, whatever
the socket's mode says.

    {"label": "vending/123457/1", "message": "04…"}  ─▶  {"mac": "…"}
    {}                                               ─▶  {"keys": […]}
    anything refused                                 ─▶  {"code": "…", "message": "…"}
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.vending.keystore import KeyFacts
from gateway.vending.module import VendingModule
from ledgernode.errors import BadRequest, LedgerError, NodeUnreachable, by_code
from ledgernode.identity.secret_file import secret_directory
from ledgernode.wire.unreadable import UNREADABLE

_LINE_BYTES: Final = 64 * 1024
_TIMEOUT_S: Final = 5.0
_CREDENTIALS: Final = struct.Struct("3i")


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: str = ""
    message: str = ""


class _Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    mac: str = ""
    keys: tuple[KeyFacts, ...] = ()
    code: str = ""
    text: str = msgspec.field(default="", name="message")


class SocketModule:
    """The client's side: one connection, made when it is needed, made again when it broke."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def keys(self) -> list[KeyFacts]:
        return list((await self._ask(_Request())).keys)

    async def sign(self, label: str, message: bytes) -> bytes:
        return bytes.fromhex((await self._ask(_Request(label, message.hex()))).mac)

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, request: _Request) -> _Reply:
        async with self._turn:
            for last in (False, True):
                try:
                    async with asyncio.timeout(_TIMEOUT_S):
                        reply = await self._line(msgspec.json.encode(request) + b"\n")
                    break
                except (OSError, EOFError, TimeoutError, ValueError) as error:
                    await self.close()
                    if last:
                        raise NodeUnreachable(f"the vending module at {self._path} does not answer") from error
        if reply.code:
            raise by_code(reply.code)(reply.text)
        return reply

    async def _line(self, sent: bytes) -> _Reply:
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(str(self._path), limit=_LINE_BYTES)
        reader, writer = self._streams
        writer.write(sent)
        await writer.drain()
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return msgspec.json.decode(line, type=_Reply)


class ModuleServer:
    """The other side: serves a module to processes of the same user."""

    def __init__(self, module: VendingModule, path: Path) -> None:
        self._module = module
        self._path = path
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Serves when this returns. Refuses a socket that another process serves."""
        secret_directory(self._path.parent)
        if self._path.exists():
            if await _answers(self._path):
                raise BadRequest(f"another process serves {self._path}")
            self._path.unlink()
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            found.bind(str(self._path))
        except OSError as error:
            found.close()
            raise BadRequest(f"{self._path} cannot be served: {error.strerror}") from error
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=found, limit=_LINE_BYTES)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            with suppress(FileNotFoundError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _user_of(writer.get_extra_info("socket")) != os.getuid():
                return
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            return
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> _Reply:
        try:
            request = msgspec.json.decode(line, type=_Request)
            if not request.label:
                return _Reply(keys=tuple(await self._module.keys()))
            return _Reply(mac=(await self._module.sign(request.label, bytes.fromhex(request.message))).hex())
        except LedgerError as refusal:
            return _Reply(code=refusal.code, text=str(refusal))
        except (*UNREADABLE, ValueError):
            return _Reply(code=BadRequest.code, text="this is no request to a vending module")


def _user_of(found: Any) -> int:
    raw = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    writer.close()
    return True
