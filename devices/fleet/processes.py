"""Processes of our own: a task in, lines out. None outlives whoever started it, for its input closes then."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

import msgspec

from ledgernode.errors import Broken

_LINE_BYTES: Final = 16 * 1024 * 1024
_END_S: Final = 15.0


class Process:
    """`python -m MODULE`, given a task in its first line. A context that ends it."""

    def __init__(self, module: str, task: msgspec.Struct) -> None:
        self._module = module
        self._task = task

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(self._task) + b"\n")
        await self._process.stdin.drain()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tell_to_end()
        try:
            async with asyncio.timeout(_END_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def tell_to_end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def lines(self) -> AsyncIterator[bytes]:
        """Until it ends. Raises Broken when it ends badly."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            yield line
        code = await self._process.wait()
        if code != 0:
            raise Broken(f"{self._module} ended with {code}")
