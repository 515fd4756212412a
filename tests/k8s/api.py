"""The cluster's API server, asked by HTTP: what it answers, and with which status it refuses."""

from __future__ import annotations

import json
import secrets
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PORT = 16443
_TOKENS = "tokens.csv"
_CONFIG = "kubeconfig"
_ANSWERS_S = 30.0


class Api:
    """Of the cluster in this folder; whoever can read the folder may do everything."""

    def __init__(self, directory: Path) -> None:
        self._token = (directory / _TOKENS).read_text().partition(",")[0]
        self._trusting = ssl.create_default_context()
        self._trusting.check_hostname = False
        self._trusting.verify_mode = ssl.CERT_NONE  # it is this machine's own, and lives for minutes

    def ask(self, path: str, *, method: str = "GET", body: Any = None) -> Any:
        """The answer; raises urllib.error.HTTPError."""
        request = urllib.request.Request(  # our own server
            f"https://127.0.0.1:{PORT}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, context=self._trusting, timeout=_ANSWERS_S) as answer:
            return json.loads(answer.read())

    def is_ready(self) -> bool:
        request = urllib.request.Request(
            f"https://127.0.0.1:{PORT}/readyz", headers={"Authorization": f"Bearer {self._token}"}
        )
        try:
            with urllib.request.urlopen(request, context=self._trusting, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def refused(self, path: str, body: Any) -> int:
        """The status with which it refuses; 0 where it does not."""
        try:
            self.ask(path, method="POST", body=body)
        except urllib.error.HTTPError as error:
            return error.code
        return 0


def write_access(directory: Path) -> None:
    """A token that may do everything, and what `kubectl` wants to know."""
    token = secrets.token_hex(16)
    (directory / _TOKENS).write_text(f'{token},tester,tester,"system:masters"\n')
    server = {"server": f"https://127.0.0.1:{PORT}", "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": server}],
        "users": [{"name": "tester", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "tester"}}],
    }
    (directory / _CONFIG).write_text(json.dumps(config))
