"""What the manifests promise, asked of what they render to."""

from __future__ import annotations

import json
import re
from typing import Any

import click
import pytest

from gateway.settings import Settings, read_settings
from ledgernode.cli import main
from ledgernode.cli.mounted import _settings
from ledgernode.identity.home import NodeConfig
from tests.deploy.rendered import MANIFESTS, ROOT, Document, of_kind, pod_template, rendered

WHOLE = ("overlays/dev", "overlays/ha", "overlays/consortium", "overlays/consortium/epsilon")
EVERYTHING = (*WHOLE, "jobs/join", "jobs/restore")
WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob")
SETTINGS = json.loads  # of a config map's text


def workloads(name: str) -> list[Document]:
    return of_kind(name, *WORKLOADS)


def containers(workload: Document) -> list[Document]:
    spec = pod_template(workload)["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def selects(selector: dict[str, str], workload: Document) -> bool:
    labels = pod_template(workload).get("metadata", {}).get("labels", {})
    return selector.items() <= labels.items()


@pytest.mark.parametrize("name", EVERYTHING)
def test_nothing_is_root_or_writes_where_it_should_not(name: str) -> None:
    """Every container, whoever adds one: another user than root, a root file system to read, no capability, bounds."""
    found = workloads(name)
    assert found
    for workload in found:
        spec = pod_template(workload)["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for container in containers(workload):
            closed = container["securityContext"]
            assert closed["readOnlyRootFilesystem"] is True
            assert closed["allowPrivilegeEscalation"] is False
            assert closed["capabilities"] == {"drop": ["ALL"]}
            for bound in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][bound].keys()
            for mount in container["volumeMounts"]:
                volume = next((one for one in spec.get("volumes", ()) if one["name"] == mount["name"]), {})
                assert mount.get("readOnly") or not {"secret", "configMap"} & volume.keys()


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_secret_stands_in_a_manifest(name: str) -> None:
    """Secrets are made by whoever has them, mounted, and never an environment's value."""
    assert not of_kind(name, "Secret")
    for workload in workloads(name):
        for container in containers(workload):
            assert not any("secretKeyRef" in one.get("valueFrom", {}) for one in container.get("env", ()))
            assert not container.get("envFrom")
    assert "PRIVATE KEY" not in json.dumps(rendered(name))


@pytest.mark.parametrize("name", WHOLE)
def test_everything_is_denied_that_is_not_said(name: str) -> None:
    """In each namespace: a policy over all pods without a rule, and for each workload one that says what it may."""
    for namespace in {one["metadata"]["namespace"] for one in workloads(name)}:
        policies = [one for one in of_kind(name, "NetworkPolicy") if one["metadata"]["namespace"] == namespace]
        closed = next(one for one in policies if one["metadata"]["name"] == "deny-all")
        assert closed["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        for workload in workloads(name):
            said = [
                one for one in policies
                if one["spec"]["podSelector"].get("matchLabels")
                and selects(one["spec"]["podSelector"]["matchLabels"], workload)
            ]  # fmt: skip
            assert said, workload["metadata"]["name"]
        observed = [
            (rule.get("from"), port["port"])
            for one in policies for rule in one["spec"].get("ingress", ()) for port in rule["ports"]
        ]  # fmt: skip
        watchers = [
            {"namespaceSelector": {"matchExpressions": [{"key": "ledgernode/monitoring", "operator": "Exists"}]}}
        ]
        assert all(who == watchers for who, port in observed if port in ("observe", 9464))


@pytest.mark.parametrize("name", WHOLE)
def test_services_budgets_and_policies_meet_the_pods_they_mean(name: str) -> None:
    """A selector that selects nothing, or everything, is no mistake to a cluster; here it is."""
    found = workloads(name)
    for service in of_kind(name, "Service"):
        met = [one for one in found if selects(service["spec"]["selector"], one) and one["kind"] != "CronJob"]
        assert met, service["metadata"]["name"]
        ports = {port["name"] for one in met for container in containers(one) for port in container.get("ports", ())}
        assert {one["targetPort"] for one in service["spec"]["ports"]} <= ports
    for budget in of_kind(name, "PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] == 1
        met = [
            one for one in found
            if selects(budget["spec"]["selector"]["matchLabels"], one)
            and one["metadata"]["namespace"] == budget["metadata"]["namespace"]
        ]  # fmt: skip
        assert [one["metadata"]["name"] for one in met] == [budget["metadata"]["name"]]


@pytest.mark.parametrize("name", WHOLE)
def test_validators_keep_their_data_and_their_names(name: str) -> None:
    """A volume each, names before they are ready, updates one by one, all at once after an outage, room to end in."""
    for one in (one for one in of_kind(name, "StatefulSet") if one["metadata"]["name"] == "validator"):
        spec = one["spec"]
        assert [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]] == ["data"]
        assert spec["updateStrategy"] == {"type": "RollingUpdate"}
        assert spec["podManagementPolicy"] == "Parallel"
        headless = next(
            service for service in of_kind(name, "Service")
            if service["metadata"]["name"] == spec["serviceName"]
            and service["metadata"]["namespace"] == one["metadata"]["namespace"]
        )  # fmt: skip
        assert headless["spec"]["clusterIP"] == "None"
        assert headless["spec"]["publishNotReadyAddresses"] is True
        pod = pod_template(one)["spec"]
        assert pod["terminationGracePeriodSeconds"] >= 30
        assert pod["affinity"]["podAntiAffinity"]
        assert pod["topologySpreadConstraints"]


@pytest.mark.parametrize("name", WHOLE)
def test_probes_ask_what_nodes_and_gateways_answer(name: str) -> None:
    """Begun, ready, live: three questions of the listener that --observe opens, and the kubelet's alone to ask."""
    for workload in workloads(name):
        if workload["metadata"]["name"] not in ("validator", "gateway"):
            continue
        container = pod_template(workload)["spec"]["containers"][0]
        paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
        assert paths == {"startup": "/health/started", "readiness": "/health/ready", "liveness": "/health/live"}
        port = next(one["containerPort"] for one in container["ports"] if one["name"] == "observe")
        assert f"--observe=0.0.0.0:{port}" in container["args"]


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_file_is_mounted_where_its_folder_is_ours(name: str) -> None:
    """Folders on the way to a single mounted file are made by root: whoever writes beside it could not."""
    for workload in workloads(name):
        for container in containers(workload):
            folders = [one["mountPath"] for one in container["volumeMounts"] if "subPath" not in one]
            files = [one["mountPath"] for one in container["volumeMounts"] if "subPath" in one]
            assert {one.rpartition("/")[0] for one in files} <= set(folders)


def test_gateways_are_given_the_time_that_they_need_to_empty() -> None:
    """What is waited before, what the outbox may take, and the stop itself fit into the grace period."""
    deployment = next(one for one in of_kind("overlays/ha", "Deployment"))
    pod = pod_template(deployment)["spec"]
    before = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    settings = read_settings(MANIFESTS / "base" / "gateway")
    taken_s = before + (settings.limits.empty_ms + 2 * settings.limits.stop_ms) / 1_000
    assert settings.limits.empty_ms > 0
    assert taken_s < pod["terminationGracePeriodSeconds"]


def test_settings_are_ones_that_nodes_and_gateways_take() -> None:
    """A misspelt field ends a process at its start: here it ends a test."""
    config = NodeConfig("alpha", "validator-1", "0.0.0.0:7051", ("market",))
    raw = (MANIFESTS / "base" / "validator" / "node.json").read_bytes()
    assert _settings(raw, config).snapshots_kept
    assert read_settings(MANIFESTS / "base" / "gateway") != Settings()


def arguments_of(container: Document) -> list[str]:
    if container.get("command", [])[:1] == ["/bin/sh"]:
        return []
    return [str(one) for one in container.get("args", ())]


@pytest.mark.parametrize("name", EVERYTHING)
def test_commands_are_ones_that_the_product_has(name: str) -> None:
    """Every container of ours names a command and options that the command line knows."""
    ours = 0
    for workload in workloads(name):
        for container in containers(workload):
            if "ledgernode:" not in container["image"] or not (given := arguments_of(container)):
                continue
            command: Any = main
            while isinstance(command, click.Group):
                command = command.get_command(click.Context(command), given.pop(0))
            assert command is not None, container["args"]
            known = {option for parameter in command.params for option in parameter.opts}
            assert {one.partition("=")[0] for one in given if one.startswith("--")} <= known
            ours += 1
    assert ours


def test_a_consortium_is_one_namespace_for_each_organisation() -> None:
    """Nothing of one organisation is in another's namespace, and each gateway asks its own node first."""
    found = workloads("overlays/consortium")
    namespaces = {one["metadata"]["namespace"] for one in found}
    assert namespaces == {"alpha", "beta", "gamma", "delta"}
    for one in (one for one in found if one["kind"] == "Deployment"):
        given = [part for part in pod_template(one)["spec"]["containers"][0]["args"] if part.startswith("--endpoint=")]
        hosts = [part.partition("=")[2].split(".")[2] for part in given]
        assert hosts[0] == one["metadata"]["namespace"]
        assert set(hosts) == namespaces


def test_every_rendering_is_documented() -> None:
    """The page names every overlay, component and job that there is."""
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    folders = [one.parent.relative_to(MANIFESTS) for one in MANIFESTS.rglob("kustomization.yaml")]
    named = [str(one) for one in folders if re.match(r"(overlays|components|jobs)/[a-z-]+$", str(one))]
    assert named
    assert [one for one in named if one not in page] == []
