"""The ledger of `overlays/dev` in a cluster, who works with it, and what they hear while the cluster changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.identity_files import CERTIFICATE
from ledgernode.identity.organisation import identity_directory
from tests.conditions import until
from tests.k8s.cluster import Cluster
from tests.k8s.consortium import ORGANISATIONS
from tests.k8s.load import DEVICES, WRITERS, noted
from tests.k8s.manifests import NAMESPACE
from tests.k8s.parts import ROOT

SOON_S = 300.0
SERVICE = f"{NAMESPACE}.svc.cluster.local"
GATEWAY = f"gateway.{SERVICE}:7060"
BROKER = f"broker.{SERVICE}:8883"


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


class Town:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.network = cluster.directory / "network"

    # ------------------------------------------------------------ who works with it

    def product(self, *arguments: object) -> str:
        return self.module("ledgernode.cli", *arguments)

    def command(self, *arguments: object) -> str:
        """One command of the product's, by the cluster's names."""
        return self.product(*arguments, "--network", self.network)

    def module(self, name: str, *arguments: object) -> str:
        ended = subprocess.run(
            self.cluster.inside([sys.executable, "-m", name, *arguments], NAMESPACE),
            capture_output=True, text=True, check=False, cwd=ROOT, timeout=300,
        )  # fmt: skip
        assert ended.returncode == 0, f"{name} {arguments}: {ended.stderr[-2_000:]}"
        return ended.stdout

    def register(self, name: str) -> None:
        """Of the first organisation."""
        self.command("identity", "register", identity_directory(self.home, name) / CERTIFICATE)

    @property
    def home(self) -> Path:
        return organisation_directory(self.network, ORGANISATIONS[0])

    def readings(self, count: int, way: str = "gateway") -> int:
        """How many of a meter's are on the ledger in the end."""
        address = {"gateway": GATEWAY, "broker": BROKER}[way]
        return int(self.module("tests.k8s.readings", self.network, "M-1", count, way, address))

    @contextlib.contextmanager
    def under_load(self, name: str) -> Iterator[list[str]]:
        """Nothing that is acknowledged meanwhile may be lost; says how much it was, and the longest pause.

        What is given fills with what went wrong for them, when they have ended.
        """
        wrong: list[str] = []
        loads = (("writers", WRITERS), ("devices", len(DEVICES), GATEWAY), ("machine", 1))
        with contextlib.ExitStack() as working:
            files = [
                working.enter_context(self._load(f"{name}, by {who}", who, *rest, wrong=wrong))
                for who, _, *rest in loads
            ]
            # what they hear while the last of them still starts tells of this machine, and of nothing else
            until(lambda: all(_heard(file) == one[1] for file, one in zip(files, loads, strict=True)), 180)
            began_ms = _now_ms()
            yield wrong
            ended_ms = _now_ms()
            sizes = [file.stat().st_size for file in files]
            for file, size in zip(files, sizes, strict=True):
                until(lambda file=file, size=size: file.stat().st_size > size, 120)  # type: ignore[misc]  # they go on
        for file, (who, *_) in zip(files, loads, strict=True):
            count, longest = json.loads(self.module("tests.k8s.load", self.network, file, "check", began_ms, ended_ms))
            what = "small writes to the disk" if who == "machine" else "acknowledged, none lost"
            say(f"{file.stem}: {count} {what}; the longest pause {longest} ms")

    @contextlib.contextmanager
    def _load(self, name: str, *arguments: str, wrong: list[str]) -> Iterator[Path]:
        file, errors = self.network / f"{name}.load", self.network / f"{name}.errors"
        file.write_text("")
        command = [sys.executable, "-m", "tests.k8s.load", self.network, file, *arguments]
        with errors.open("wb") as log:
            load = subprocess.Popen(self.cluster.inside(command, NAMESPACE), cwd=ROOT, stderr=log)
        try:
            yield file
        finally:
            load.send_signal(signal.SIGTERM)
            load.wait(120)
            wrong += errors.read_text().splitlines()

    # ------------------------------------------------------------ what is seen of the cluster

    def wait_for(self, component: str, names: Sequence[str] | int, limit_s: float = SOON_S) -> None:
        def arrived() -> bool:
            self.cluster.check()
            found = self.cluster.ready(NAMESPACE, component)
            return len(found) == names if isinstance(names, int) else found == list(names)

        until(arrived, limit_s, every_s=0.25)

    def pods(self, component: str) -> list[dict[str, Any]]:
        return self.cluster.pods(NAMESPACE, component)

    def uids(self) -> dict[str, str]:
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in self.pods("validator")}

    def shown(self, component: str, port: int) -> set[str]:
        """Hashes of the certificates that its pods show to who connects now."""
        return {_shown(pod["status"]["podIP"], port) for pod in self.pods(component)}


def _heard(file: Path) -> int:
    return len({who for _, who, _ in noted(file)})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _shown(address: str, port: int) -> str:
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, port), 10) as plain, looking.wrap_socket(plain) as connection:
        certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    return hashlib.sha256(certificate).hexdigest()


def leaf(chain: Path) -> str:
    """The hash of a file's first certificate."""
    first = chain.read_text().partition("-----END CERTIFICATE-----")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[0] + first[1] + "\n")).hexdigest()
