"""`deploy/k8s/overlays/dev` for a cluster of Kubernetes 1.20 on one machine, which has no registry.

What differs: disruption budgets are policy/v1beta1 there; the autoscaler wants a metrics server; broker and read model
come from images that nobody has here; volumes are folders. Nothing that is asked of validators and gateways is changed.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

from tests.deploy.rendered import rendered

NAMESPACE = "ledgernode-dev"
IMAGE = "localhost/ledgernode:test"
VALIDATORS = 4
USER = 10001
Document = dict[str, Any]
_ABSENT = ("broker", "read-model")
_GATEWAY_VOLUMES = ("broker", "read-model")


def objects() -> list[Document]:
    return [_fitted(copy.deepcopy(one)) for one in rendered("overlays/dev") if not _is_left_out(one)]


def _is_left_out(one: Document) -> bool:
    component = one["metadata"].get("labels", {}).get("app.kubernetes.io/component")
    return one["kind"] == "HorizontalPodAutoscaler" or component in _ABSENT


def _fitted(one: Document) -> Document:
    if one["kind"] == "PodDisruptionBudget":
        one["apiVersion"] = "policy/v1beta1"
    if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith("gateway-settings"):
        settings = json.loads(one["data"]["gateway.json"])
        one["data"]["gateway.json"] = json.dumps({"limits": settings["limits"]})
    if one["kind"] in ("Deployment", "StatefulSet"):
        spec = one["spec"]["template"]["spec"]
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            container["image"], container["imagePullPolicy"] = IMAGE, "Never"
            container["resources"]["requests"] = {"cpu": "20m", "memory": "64Mi"}  # everything on one small machine
            container["resources"]["limits"].pop("cpu", None)
            container["volumeMounts"] = [
                mount for mount in container["volumeMounts"]
                if one["kind"] != "Deployment" or mount["name"] not in _GATEWAY_VOLUMES
            ]  # fmt: skip
        if one["kind"] == "Deployment":
            one["spec"]["replicas"] = 1
            container["args"] = [part for part in container["args"] if not part.startswith("--broker")]
            spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] not in _GATEWAY_VOLUMES]
    return one


def volumes(directory: Path, node: str) -> list[Document]:
    """A folder for each validator, as a volume of this machine."""
    found = []
    for number in range(VALIDATORS):
        at = directory / f"data-{number}"
        at.mkdir(parents=True)
        os.chmod(at, 0o755)  # noqa: PTH101  # the kubelet gives it to the pod's group
        found.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"data-{number}"},
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain",
                    "claimRef": {"namespace": NAMESPACE, "name": f"data-validator-{number}"},
                    "local": {"path": str(at)},
                    "nodeAffinity": {
                        "required": {
                            "nodeSelectorTerms": [
                                {
                                    "matchExpressions": [
                                        {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
                                    ]
                                }
                            ]
                        }
                    },
                },
            }
        )
    return found
