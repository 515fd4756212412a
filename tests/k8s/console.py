"""Somebody at the console: enters by a wallet's signature, and asks what the read model has. Run where names hold.

python -m tests.k8s.console NETWORK URL ORIGIN HEIGHT      as soon as it has a block as high: that block, as JSON
"""

from __future__ import annotations

import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from gateway.sessions.challenges import Challenge, entry_message
from ledgernode.cli.connection import Connection
from ledgernode.identity.identity_files import load_identity
from ledgernode.wire.genesis import chain_id

LIMIT_S = 120.0


class Visitor:
    """An organisation's admin, before a gateway's pages."""

    def __init__(self, network: Path, url: str, origin: str) -> None:
        self._at = Connection(network)
        self._url = f"{url}/api/v1"
        self._headers = {"origin": origin, "content-type": "application/json"}
        self._trusting = ssl.create_default_context(cadata="".join(self._at.tls_files().roots))
        self._origin = origin

    def ask(self, path: str, given: Any = None, *, method: str = "") -> tuple[Any, str]:
        """The answer, and the cookie that comes with it; raises urllib.error.HTTPError."""
        body = None if given is None else json.dumps(given).encode()
        request = urllib.request.Request(
            f"{self._url}{path}", body, self._headers, method=method or None
        )  # the cluster's own
        with urllib.request.urlopen(request, context=self._trusting, timeout=30) as answer:
            return json.loads(answer.read() or b"null"), answer.headers.get("set-cookie", "")

    def enter(self) -> None:
        asked, _ = self.ask("/session/challenges", method="POST")
        key, _ = load_identity(self._at.identity_directory)
        challenge = Challenge(bytes.fromhex(asked["nonce"]), asked["expires_ms"])
        message = entry_message(chain_id(self._at.genesis_bytes), self._origin, challenge)
        entering = {"public_key": key.public_key.hex(), "nonce": asked["nonce"], "signature": key.sign(message).hex()}
        _, cookie = self.ask("/session", entering)
        self._headers["cookie"] = cookie.partition(";")[0]

    def block(self, height: int) -> Any:
        """As soon as the model has it."""
        ends = time.monotonic() + LIMIT_S
        while True:
            try:
                return self.ask(f"/blocks/{height}")[0]
            except urllib.error.HTTPError as error:
                if error.code not in {404, 503} or time.monotonic() > ends:
                    raise
                time.sleep(0.2)


if __name__ == "__main__":
    visitor = Visitor(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    visitor.enter()
    sys.stdout.write(json.dumps(visitor.block(int(sys.argv[4]))) + "\n")
