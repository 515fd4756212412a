"""A cluster's names, for a cluster of one machine: pods and services by the API's word, as plain DNS over UDP.

POD.SERVICE.NAMESPACE.svc.cluster.local   the pod, ready or not
SERVICE.NAMESPACE.svc.cluster.local       its ready pods themselves, another first each time

python -m tests.k8s.names ADDRESS DIRECTORY      answers there until it is told to end, for the cluster in DIRECTORY
"""

from __future__ import annotations

import socket
import struct
import sys
import time
import urllib.error
from pathlib import Path

from tests.k8s.api import Api

_DOMAIN = ".svc.cluster.local"
_KEPT_S = 0.3


class Names:
    def __init__(self, address: str, api: Api) -> None:
        self._api = api
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._found: dict[str, list[str]] = {}
        self._looked = 0.0
        self._turn = 0

    def run(self) -> None:
        while True:
            query, sender = self._socket.recvfrom(512)
            try:
                self._socket.sendto(self._answer(query), sender)
            except (OSError, ValueError, IndexError, UnicodeDecodeError, urllib.error.URLError):
                continue

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
        found = self._found.get(name.removesuffix(_DOMAIN))
        self._turn += 1
        return found and [*found[self._turn % len(found) :], *found[: self._turn % len(found)]]

    def _look(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for one in self._api.ask("/api/v1/endpoints")["items"]:
            at = f"{one['metadata']['name']}.{one['metadata']['namespace']}"
            for subset in one.get("subsets") or ():
                for address in subset.get("addresses") or ():
                    found.setdefault(at, []).append(address["ip"])
        for pod in self._api.ask("/api/v1/pods")["items"]:
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


if __name__ == "__main__":
    Names(sys.argv[1], Api(Path(sys.argv[2]))).run()
