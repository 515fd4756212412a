"""Who may talk to whom: each flow that the product needs is let through, and what it must refuse is not.

Evaluated as the API's documentation says (`policies.py`), on what the overlays render to; whether a cluster's network
plugin enforces it is that cluster's to be tried.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.deploy.policies import Pod, may_reach
from tests.deploy.rendered import Document, of_kind, pod_template

OVERLAYS: Final = ("overlays/dev", "overlays/ha", "overlays/consortium", "overlays/consortium/epsilon")
LEDGER, DEVICES, HTTPS, MQTT, SQL, OBSERVE, NAMES = 7051, 7060, 8443, 8883, 5432, 9464, 53
OUTSIDE: Final = Pod("", {}, {}, address="203.0.113.7")
STRANGER: Final = Pod("shop", {"app": "shop"}, {})
MONITORING: Final = Pod("monitoring", {"app": "prometheus"}, {"ledgernode/monitoring": "prometheus"})
DNS: Final = Pod("kube-system", {"k8s-app": "kube-dns"}, {})
METADATA: Final = Pod("", {}, {}, address="169.254.169.254")

NEEDED: Final = (
    ("validator", "validator", LEDGER),
    ("gateway", "validator", LEDGER),
    ("job", "validator", LEDGER),
    ("gateway", "broker", MQTT),
    ("gateway", "read-model", SQL),
)
REFUSED: Final = (
    ("validator", "gateway", DEVICES),
    ("validator", "gateway", OBSERVE),
    ("validator", "read-model", SQL),
    ("validator", "broker", MQTT),
    ("gateway", "validator", OBSERVE),
    ("gateway", "gateway", OBSERVE),
    ("job", "read-model", SQL),
    ("job", "gateway", DEVICES),
    ("job", "broker", MQTT),
    ("broker", "validator", LEDGER),
    ("broker", "gateway", DEVICES),
    ("broker", "read-model", SQL),
    ("read-model", "validator", LEDGER),
    ("read-model", "gateway", DEVICES),
)


def policies(name: str) -> list[Document]:
    return of_kind(name, "NetworkPolicy")


def pods(name: str) -> list[Pod]:
    """One of each workload, as its pods will be; a job where the overlay has none."""
    spaces = {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in of_kind(name, "Namespace")}
    found = []
    for one in of_kind(name, "Deployment", "StatefulSet", "CronJob"):
        space, template = one["metadata"]["namespace"], pod_template(one)
        ports = {
            port["name"]: port["containerPort"]
            for container in template["spec"]["containers"] for port in container.get("ports", ())
        }  # fmt: skip
        found.append(Pod(space, template["metadata"]["labels"], spaces[space], ports))
    for space, labels in spaces.items():
        if not any(one.namespace == space and component(one) == "job" for one in found):
            (job,) = of_kind("jobs/join", "Job")
            found.append(Pod(space, pod_template(job)["metadata"]["labels"], labels))
    return found


def component(pod: Pod) -> str:
    return pod.labels["app.kubernetes.io/component"]


def of(name: str, wanted: str) -> list[Pod]:
    found = [one for one in pods(name) if component(one) == wanted]
    assert found
    return found


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize(("opening", "reached", "port"), NEEDED)
def test_what_the_product_needs_is_let_through(name: str, opening: str, reached: str, port: int) -> None:
    """Within a namespace."""
    for one in of(name, opening):
        for other in of(name, reached):
            if one.namespace == other.namespace:
                assert may_reach(policies(name), one, other, port)


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize(("opening", "reached", "port"), REFUSED)
def test_what_it_does_not_need_is_refused(name: str, opening: str, reached: str, port: int) -> None:
    """From every namespace to every other, too."""
    for one in of(name, opening):
        assert not any(may_reach(policies(name), one, other, port) for other in of(name, reached))


@pytest.mark.parametrize("name", OVERLAYS)
def test_devices_people_and_monitoring_come_from_where_they_are(name: str) -> None:
    """Devices and people from anywhere, by the ports that ask who they are; figures for monitoring alone."""
    for pod in pods(name):
        open_to_all = {"gateway": {DEVICES, HTTPS}, "broker": {MQTT}}.get(component(pod), set())
        watched = {OBSERVE} if component(pod) in ("gateway", "validator") else set()
        for port in (LEDGER, DEVICES, HTTPS, MQTT, SQL, OBSERVE, 22):
            for other in (OUTSIDE, STRANGER):
                assert may_reach(policies(name), other, pod, port) is (port in open_to_all), (component(pod), port)
            assert may_reach(policies(name), MONITORING, pod, port) is (port in open_to_all | watched)


@pytest.mark.parametrize("name", OVERLAYS)
def test_nobody_of_ours_reaches_out(name: str) -> None:
    """Names may be asked for; nothing else outside: not the internet, not a cloud's metadata, not the API."""
    api = Pod("default", {"component": "apiserver"}, {})
    for pod in pods(name):
        assert may_reach(policies(name), pod, DNS, NAMES, protocol="UDP")
        assert may_reach(policies(name), pod, DNS, NAMES)
        assert not may_reach(policies(name), pod, DNS, 9153)
        for outside, port in ((OUTSIDE, 443), (METADATA, 80), (STRANGER, 80), (api, 443)):
            assert not may_reach(policies(name), pod, outside, port)


def test_validators_of_organisations_reach_each_other_and_their_databases_do_not() -> None:
    """Over namespaces: ledger to ledger, gateway to ledger; never to another's broker or read model."""
    name = "overlays/consortium"
    everything = [*pods(name), *pods("overlays/consortium/epsilon")]
    said = [*policies(name), *policies("overlays/consortium/epsilon")]
    for one in everything:
        for other in everything:
            if one.namespace == other.namespace:
                continue
            asks = component(one) in ("validator", "gateway", "job") and component(other) == "validator"
            assert may_reach(said, one, other, LEDGER) is asks, (one, other)
            assert not may_reach(said, one, other, SQL)
            assert not may_reach(said, one, other, OBSERVE)


def test_a_namespace_without_the_consortium_s_label_is_a_stranger() -> None:
    """Whoever runs a pod that calls itself a validator elsewhere reaches none of ours."""
    name = "overlays/consortium"
    (alpha,) = [one for one in of(name, "validator") if one.namespace == "alpha"]
    false = alpha._replace(namespace="elsewhere", of_namespace={})
    assert not may_reach(policies(name), false, alpha, LEDGER)
    assert may_reach(policies(name), false._replace(of_namespace={"ledgernode/consortium": "market"}), alpha, LEDGER)


def _policy(**spec: Any) -> Document:
    return {"metadata": {"name": "one", "namespace": "here"}, "spec": {"podSelector": {}, **spec}}


def test_the_evaluation_is_the_api_s() -> None:
    """No policy, no limits; one without rules, nothing; lists are any of; selectors of one peer are both."""
    here, there = Pod("here", {"a": "1"}, {}, {"web": 80}), Pod("there", {"b": "2"}, {"team": "x"})
    assert may_reach([], there, here, 80)
    closed = _policy(policyTypes=["Ingress"])
    assert not may_reach([closed], there, here, 80)
    assert may_reach([closed], here, there, 80)
    everybody = _policy(policyTypes=["Ingress"], ingress=[{"ports": [{"port": "web"}]}])
    assert may_reach([closed, everybody], there, here, 80)
    assert not may_reach([closed, everybody], there, here, 81)
    assert not may_reach([closed, everybody], there, here, 80, protocol="UDP")
    both = {"namespaceSelector": {"matchLabels": {"team": "x"}}, "podSelector": {"matchLabels": {"b": "2"}}}
    assert may_reach([_policy(policyTypes=["Ingress"], ingress=[{"from": [both]}])], there, here, 80)
    other = {**both, "podSelector": {"matchLabels": {"b": "3"}}}
    assert not may_reach([_policy(policyTypes=["Ingress"], ingress=[{"from": [other]}])], there, here, 80)
    own = _policy(policyTypes=["Ingress"], ingress=[{"from": [{"podSelector": {}}]}])
    assert not may_reach([own], there, here, 80)
    assert may_reach([own], here, here, 80)
    block = {"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.128/25"]}}
    within = _policy(policyTypes=["Egress"], egress=[{"to": [block]}])
    assert may_reach([within], here, OUTSIDE, 443)
    assert not may_reach([within], here, OUTSIDE._replace(address="203.0.113.200"), 443)
    assert not may_reach([within], here, there, 443)
