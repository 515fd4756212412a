"""What docs/kubernetes.md promises of one namespace, asked of `overlays/dev`. Each step leaves all of it ready."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from ledgernode.identity.home import tls_directory
from ledgernode.identity.organisation import identity_directory
from tests.conditions import until
from tests.k8s import consortium, manifests
from tests.k8s.manifests import NAMESPACE, VALIDATORS
from tests.k8s.town import SERVICE, SOON_S, Town, leaf, say

GRACE_S: Final = 120.0  # a gateway's; a validator has half of it
NAMES: Final = [f"validator-{number}" for number in range(VALIDATORS)]
ORIGIN: Final = "https://localhost:8443"
_PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
_SCALER: Final = f"/apis/autoscaling/v2beta2/namespaces/{NAMESPACE}/horizontalpodautoscalers/gateway"


def comes_up(town: Town) -> None:
    """Four validators, a gateway, a broker and a database are ready; what they run as is what the manifests say."""
    consortium.found(town.network, NAMESPACE)
    objects = manifests.objects("overlays/dev")
    town.cluster.apply([one for one in objects if one["kind"] == "Namespace"])
    town.cluster.apply(consortium.mounted(town.network, NAMESPACE))
    began = time.monotonic()
    town.cluster.apply(objects)
    town.wait_for("validator", NAMES)
    say(f"four validators were ready after {time.monotonic() - began:.0f} s")
    town.wait_for("broker", 1)
    town.wait_for("read-model", 1)
    town.register("gateway-1")  # before, it may not ask what people are to see
    town.wait_for("gateway", 1)
    say(f"and a gateway with its broker and database after {time.monotonic() - began:.0f} s")
    for pod, container in (("validator-0", "node"), (town.pods("gateway")[0]["metadata"]["name"], "gateway")):
        looking = ("sh", "-c", "python3.11 -c 'import os; print(os.getuid())'; (: > /x) 2>&1 || true")
        shown = town.cluster.kubectl("-n", NAMESPACE, "exec", pod, "-c", container, "--", *looking)
        assert shown.split()[0] == "10001", shown
        assert "Read-only" in shown, shown
    board = town.network / "contracts"
    town.product("chaincode", "new", "notice_board", "--into", board)
    town.command("chaincode", "deploy", board / "notice_board.py")
    for meter in consortium.METERS:
        town.register(meter)


def readings(town: Town) -> None:
    """By a meter's stream and by MQTT, through the broker; the console answers with them out of the database."""
    assert town.readings(50) == 50
    say("50 readings of a meter went through the gateway and are committed")
    assert town.readings(50, "broker") == 50
    say("50 readings by MQTT went through the broker and the gateway and are committed")
    height = town.command("block", "show", "latest", "--json")
    found = town.module(
        "tests.k8s.console", town.network, f"https://gateway.{SERVICE}:8443", ORIGIN, _height_of(height)
    )
    assert '"height"' in found, found
    asked = ("psql", "-h", "127.0.0.1", "-U", "ledgernode", "-tA", "-c", "select count(*) from pg_stat_user_tables")
    password = (town.network / "read-model.password").read_text()
    tables = town.cluster.kubectl(
        "-n", NAMESPACE, "exec", "read-model-0", "--", "env", f"PGPASSWORD={password}", *asked
    )
    assert int(tables) > 3, tables
    say(f"the console let an admin in and showed block {_height_of(height)} out of PostgreSQL")


def _height_of(block: str) -> int:
    found: dict[str, Any] = json.loads(block)
    return int(found["height"])


def tls(town: Town) -> None:
    """Secrets are written again: gateway and validators show the new certificates, and no stream is cut."""
    was = town.shown("gateway", 7060), town.shown("validator", 7051)
    with town.under_load("TLS files replaced") as wrong:
        began = time.monotonic()
        renewed = consortium.renew_gateway(town.network, NAMESPACE)
        town.cluster.apply([renewed, consortium.renew_validators(town.network, NAMESPACE)])
        gateway = leaf(identity_directory(town.home, "gateway-1") / "tls-certificate.pem")
        validators = {
            leaf(tls_directory(consortium.node_directory(town.network, number)) / "certificate.pem")
            for number in range(VALIDATORS)
        }
        until(lambda: town.shown("gateway", 7060) == {gateway}, SOON_S, every_s=0.5)
        until(lambda: town.shown("validator", 7051) == validators, SOON_S, every_s=0.5)
        say(f"new certificates were shown {time.monotonic() - began:.0f} s after their Secrets had been written")
        assert was[0] != {gateway}
        assert was[1].isdisjoint(validators)
        assert town.readings(10) == 10
    assert wrong == [], f"streams were cut: {wrong[:5]}"


def deleted_pod(town: Town) -> None:
    """A validator comes back with its volume: it goes on from the block where it was, and has its name."""
    before = town.uids()["validator-2"]
    with town.under_load("a deleted validator"):
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
    """The autoscaler makes three gateways and one again, as its bounds say; what each had taken is on the ledger."""
    with town.under_load("gateways scaled to three"):
        _bound(town, least=3, most=3)
        town.wait_for("gateway", 3)
        for _ in range(3):
            assert town.readings(30) == 30
    with town.under_load("gateways scaled back to one"):
        _bound(town, least=1, most=1)
        until(lambda: len(town.pods("gateway")) == 1, SOON_S)
    _bound(town, least=1, most=3)
    assert town.readings(30) == 30
    (ability,) = [one for one in town.cluster.ask(_SCALER)["status"]["conditions"] if one["type"] == "AbleToScale"]
    assert ability["status"] == "True", ability


def _bound(town: Town, *, least: int, most: int) -> None:
    found = town.cluster.ask(_SCALER)
    found["spec"] |= {"minReplicas": least, "maxReplicas": most}
    town.cluster.ask(_SCALER, method="PUT", body=found)


def budget(town: Town) -> None:
    """Of two evictions at once the second is refused."""

    def evict(name: str) -> int:
        body = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        assert town.cluster.api is not None
        return town.cluster.api.refused(f"{_PODS}/{name}/eviction", body)

    assert evict("validator-0") == 0
    assert evict("validator-1") == 429
    town.wait_for("validator", NAMES)
    say("a disruption budget let one validator go, and refused the second (429)")


def ends(town: Town) -> None:
    """All are told by SIGTERM, and end within the grace period."""
    began = time.monotonic()
    town.cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    until(lambda: not town.cluster.ask(_PODS)["items"], GRACE_S, every_s=0.25)
    say(f"every process ended on SIGTERM, after {time.monotonic() - began:.0f} s at most")
