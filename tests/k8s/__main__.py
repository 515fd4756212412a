"""`make k8s-test`: the manifests in a real cluster of this machine. Needs root, Debian 12 and some GB in ~/.cache.

Founds four organisations, applies `overlays/dev`, and asks of it what docs/kubernetes.md promises; figures on standard
output. All that it has started ends with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.conditions import until
from tests.k8s import consortium, manifests
from tests.k8s.cluster import NODE, Cluster, emptied
from tests.k8s.manifests import NAMESPACE, VALIDATORS

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("LEDGERNODE_K8S_CACHE", Path.home() / ".cache" / "ledgernode" / "k8s"))
ROOT = HERE.parents[1]
SOON_S = 300.0
GRACE_S = 120.0  # a gateway's; a validator has half of it
NAMES = [f"validator-{number}" for number in range(VALIDATORS)]


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def prepared() -> list[Path]:
    """Programs and images, made where they are not there yet."""
    for script in ("build.sh", "image.sh"):
        subprocess.run(["bash", str(HERE / script), str(CACHE)], check=True, stdout=sys.stderr)
    return [CACHE / "images" / "pause.tar", CACHE / "images" / "ledgernode.tar"]


class Town:
    """The ledger in the cluster, and who works with it."""

    def __init__(self, cluster: Cluster, network: Path) -> None:
        self.cluster = cluster
        self.network = network

    def product(self, *arguments: object) -> str:
        return self._run("-m", "ledgernode.cli", *arguments)

    def command(self, *arguments: object) -> str:
        """One command of the product's, by the cluster's names."""
        return self.product(*arguments, "--network", self.network)

    def _run(self, *arguments: object) -> str:
        ended = subprocess.run(
            self.cluster.inside([sys.executable, *arguments], NAMESPACE),
            capture_output=True, text=True, check=False, cwd=ROOT, timeout=300,
        )  # fmt: skip
        assert ended.returncode == 0, f"{arguments}: {ended.stderr[-2_000:]}"
        return ended.stdout

    def readings(self, count: int) -> int:
        return int(
            self._run("-m", "tests.k8s.readings", self.network, f"gateway.{NAMESPACE}.svc.cluster.local:7060", count)
        )

    @contextlib.contextmanager
    def under_load(self, name: str) -> Iterator[None]:
        """Nothing that is acknowledged meanwhile may be lost; says how much it was, and the longest pause."""
        file = self.network / f"{name}.load"
        command = self.cluster.inside([sys.executable, "-m", "tests.k8s.load", self.network, file], NAMESPACE)
        with (self.network / f"{name}.errors").open("wb") as errors:
            load = subprocess.Popen(command, cwd=ROOT, stderr=errors)
        try:
            until(lambda: file.exists() and file.stat().st_size, 60)
            yield
            size = file.stat().st_size
            until(lambda: file.stat().st_size > size, 120)  # it goes on
        finally:
            load.send_signal(signal.SIGTERM)
            load.wait(120)
        count, longest = self._run("-m", "tests.k8s.load", self.network, file, "check").split()
        say(f"{name}: {count} acknowledged under load, none lost; the longest pause {longest} ms")

    def wait_for(self, component: str, names: list[str] | int, limit_s: float = SOON_S) -> None:
        def arrived() -> bool:
            self.cluster.check()
            found = self.cluster.ready(NAMESPACE, component)
            return found == names if isinstance(names, list) else len(found) == names

        until(arrived, limit_s, every_s=0.25)

    def uids(self) -> dict[str, str]:
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in self.cluster.pods(NAMESPACE, "validator")}


def comes_up(town: Town, directory: Path) -> None:
    """Four validators and a gateway are ready; what they run as is what the manifests say."""
    began = time.monotonic()
    consortium.found(town.network, NAMESPACE)
    objects = manifests.objects()
    town.cluster.apply([one for one in objects if one["kind"] == "Namespace"])
    town.cluster.apply([*manifests.volumes(directory / "volumes", NODE), *consortium.mounted(town.network, NAMESPACE)])
    began = time.monotonic()
    town.cluster.apply([one for one in objects if one["kind"] != "Namespace"])
    town.wait_for("validator", NAMES)
    town.wait_for("gateway", 1)
    say(f"four validators and a gateway were ready after {time.monotonic() - began:.0f} s")
    shown = town.cluster.kubectl(
        "-n", NAMESPACE, "exec", "validator-0", "-c", "node", "--", "sh", "-c", "id -u; touch /x 2>&1 || true"
    )
    assert shown.split()[0] == "10001", shown
    assert "Read-only" in shown, shown


def readings_are_committed(town: Town) -> None:
    board = town.network / "contracts"
    town.product("chaincode", "new", "notice_board", "--into", board)
    town.command("chaincode", "deploy", board / "notice_board.py")
    certificate = consortium.organisation_directory(town.network, "alpha") / "identities" / "M-1" / "certificate.pem"
    town.command("identity", "register", certificate)
    assert town.readings(50) == 50
    say("50 readings of a meter went through the gateway and are committed")


def deleted_pod_comes_back(town: Town) -> None:
    """With its volume: it goes on from the block where it was, and has its name."""
    before = town.uids()["validator-2"]
    with town.under_load("a deleted pod"):
        began = time.monotonic()
        town.cluster.kubectl("-n", NAMESPACE, "delete", "pod", "validator-2", "--wait=false")
        until(lambda: town.uids().get("validator-2", before) != before, SOON_S)
        town.wait_for("validator", NAMES)
        say(f"a deleted validator was back and ready with its data after {time.monotonic() - began:.1f} s")
    log = town.cluster.kubectl("-n", NAMESPACE, "logs", "validator-2", "-c", "node")
    assert "serving" in log


def rolling_update(town: Town) -> None:
    """One after the other, each when the one before is ready; every pod ends by itself in its grace period."""
    before = town.uids()
    with town.under_load("a rolling update of four validators"):
        began = time.monotonic()
        town.cluster.kubectl("-n", NAMESPACE, "rollout", "restart", "statefulset/validator")
        least = VALIDATORS
        ends = time.monotonic() + 3 * SOON_S
        while time.monotonic() < ends:
            now, ready = town.uids(), town.cluster.ready(NAMESPACE, "validator")
            least = min(least, len(ready))
            if ready == NAMES and all(now[name] != before[name] for name in NAMES):
                break
            time.sleep(0.25)
        else:
            raise AssertionError("the update has not ended")
        say(f"four validators were updated in {time.monotonic() - began:.0f} s; at least {least} were always ready")
    assert least >= VALIDATORS - 1


def scale_out(town: Town) -> None:
    """Two more gateways, and back to one: what each had taken is on the ledger."""
    with town.under_load("gateways scaled to three and back"):
        town.cluster.kubectl("-n", NAMESPACE, "scale", "deployment/gateway", "--replicas=3")
        town.wait_for("gateway", 3)
        for _ in range(3):
            assert town.readings(30) == 30
        town.cluster.kubectl("-n", NAMESPACE, "scale", "deployment/gateway", "--replicas=1")
        until(lambda: len(town.cluster.pods(NAMESPACE, "gateway")) == 1, SOON_S)
    assert town.readings(30) == 30


def budget_bites(town: Town) -> None:
    """Of two evictions at once the second is refused."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"

    def evict(name: str) -> int:
        body = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        return town.cluster.refused(f"{path}/{name}/eviction", body)

    assert evict("validator-0") == 0
    assert evict("validator-1") == 429
    town.wait_for("validator", NAMES)
    say("a disruption budget let one validator go, and refused the second")


def all_end(town: Town) -> None:
    """On SIGTERM, within the grace period."""
    began = time.monotonic()
    town.cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    until(lambda: not town.cluster.ask(path)["items"], GRACE_S, every_s=0.25)
    say(f"every process ended on SIGTERM, after {time.monotonic() - began:.0f} s at most")


def main() -> int:
    archives = prepared()
    with emptied(CACHE / "run") as directory, Cluster(directory, CACHE / "bin", archives) as cluster:
        say("a control plane and a node are up")
        town = Town(cluster, directory / "network")
        comes_up(town, directory)
        for step in (readings_are_committed, deleted_pod_comes_back, rolling_update, scale_out, budget_bites):
            step(town)
        all_end(town)
    return 0


if __name__ == "__main__":
    sys.exit(main())
