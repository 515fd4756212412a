"""A cluster's names, for a cluster of one machine: pods and services by the API's word, as plain DNS over UDP.

POD.SERVICE.NAMESPACE.svc.cluster.local   the pod, ready or not
SERVICE.NAMESPACE.svc.cluster.local       its ready pods themselves: nothing stands between them and who asks
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

_DOMAIN = ".svc.cluster.local"
_KEPT_S = 0.3


class Names(threading.Thread):
    """Answers until it is closed. `ask` gets a path of the API."""

    def __init__(self, address: str, ask: Callable[[str], Any]) -> None:
        super().__init__(daemon=True, name="names")
        self._ask = ask
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._found: dict[str, list[str]] = {}
        self._looked = 0.0

    def run(self) -> None:
        while True:
            try:
                query, sender = self._socket.recvfrom(512)
            except OSError:
                return
            try:
                self._socket.sendto(self._answer(query), sender)
            except (OSError, ValueError, IndexError, UnicodeDecodeError):
                continue

    def close(self) -> None:
        self._socket.close()

    def _answer(self, query: bytes) -> bytes:
        name, end = _name(query)
        kind = struct.unpack(">H", query[end : end + 2])[0]
        addresses = self._addresses(name.lower())
        records = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(one)
            for one in addresses or ()
            if kind == 1
        )
        code = 3 if addresses is None else 0
        head = query[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(records) // 16, 0, 0)
        return head + query[12 : end + 4] + records

    def _addresses(self, name: str) -> list[str] | None:
        """None where there is no such name."""
        if not name.endswith(_DOMAIN):
            return None
        if time.monotonic() - self._looked > _KEPT_S:
            self._found, self._looked = self._look(), time.monotonic()
        return self._found.get(name.removesuffix(_DOMAIN))

    def _look(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for one in self._ask("/api/v1/endpoints")["items"]:
            at = f"{one['metadata']['name']}.{one['metadata']['namespace']}"
            for subset in one.get("subsets") or ():
                for address in subset.get("addresses") or ():
                    found.setdefault(at, []).append(address["ip"])
        for pod in self._ask("/api/v1/pods")["items"]:
            subdomain, address = pod["spec"].get("subdomain"), pod["status"].get("podIP")
            if subdomain and address and not pod["metadata"].get("deletionTimestamp"):
                found[f"{pod['spec']['hostname']}.{subdomain}.{pod['metadata']['namespace']}"] = [address]
        return found


def _name(query: bytes) -> tuple[str, int]:
    """The question's name, and where its type begins."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels), at + 1
