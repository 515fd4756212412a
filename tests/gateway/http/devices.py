"""A device with a secret, as a program on a small computer would be."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import httpx

from gateway.http.signature import Request, authorization, key_of


class Device:
    """Signs each request, or shows what it was given."""

    def __init__(self, name: str, secret: str) -> None:
        self.name = name
        self.secret = secret

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}

    def signed(self, method: str, target: str, body: bytes = b"", **changes: Any) -> dict[str, str]:
        """The header of a request; with `changes` of time_ms or nonce."""
        time_ms = changes.get("time_ms", time.time_ns() // 1_000_000)
        nonce = changes.get("nonce", secrets.token_hex(8))
        request = Request(method, target, body)
        return {"authorization": authorization(self.name, key_of(self.secret), request, time_ms, nonce)}

    async def post(self, client: httpx.AsyncClient, target: str, document: Any, **changes: Any) -> httpx.Response:
        body = json.dumps(document).encode()
        headers = {"content-type": "application/json", **self.signed("POST", target, body, **changes)}
        return await client.post(target, content=body, headers=headers)

    async def get(self, client: httpx.AsyncClient, target: str) -> httpx.Response:
        return await client.get(target, headers=self.signed("GET", target))
