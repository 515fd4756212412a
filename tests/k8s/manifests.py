"""Our overlays and jobs for a cluster of Kubernetes 1.20 on one machine, which has no registry.

What differs: disruption budgets are policy/v1beta1 there and the autoscaler autoscaling/v2beta2; images are those that
`image.sh` has made (the broker's and the database's are stand-ins of Debian's packages); where everything shall fit on
one small machine, requests are a part of what they are, in the same proportions. Nothing else is changed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from tests.deploy.rendered import pod_template, rendered

NAMESPACE = "ledgernode-dev"
VALIDATORS = 4
IMAGES = {
    "registry.example/ledgernode": "localhost/ledgernode:test",
    "docker.io/library/eclipse-mosquitto": "localhost/mosquitto:test",
    "docker.io/library/postgres": "localhost/postgres:test",
}
_THERE = {
    "PodDisruptionBudget": "policy/v1beta1",
    "HorizontalPodAutoscaler": "autoscaling/v2beta2",
    "CronJob": "batch/v1beta1",
}
_NOT_THERE = ("ServiceMonitor", "PrometheusRule")  # the Prometheus operator's
_WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob")
Document = dict[str, Any]


def objects(name: str, *, part: int = 1, without: tuple[str, ...] = ()) -> list[Document]:
    """Of an overlay or job, as that cluster takes them. `without` leaves out components; `part` divides requests."""
    found = [copy.deepcopy(one) for one in rendered(name) if one["kind"] not in _NOT_THERE and not _is_of(one, without)]
    for one in found:
        one["apiVersion"] = _THERE.get(one["kind"], one["apiVersion"])
        for container in _containers(one):
            container["image"] = IMAGES[container["image"].rpartition(":")[0]]
            container["imagePullPolicy"] = "Never"
            container["resources"]["requests"] = {
                what: _divided(said, part) for what, said in container["resources"]["requests"].items()
            }
    return found


def _is_of(one: Document, components: tuple[str, ...]) -> bool:
    return one["metadata"].get("labels", {}).get("app.kubernetes.io/component") in components


def _containers(one: Document) -> Iterator[Document]:
    if one["kind"] in _WORKLOADS:
        spec = pod_template(one)["spec"]
        yield from (*spec.get("initContainers", ()), *spec["containers"])


def _divided(said: str, part: int) -> str:
    """500m by 5 is 100m."""
    number, unit = re.fullmatch(r"(\d+)(m|Mi|Gi)?", str(said)).groups()  # type: ignore[union-attr]
    thousands = {None: (1_000, "m"), "Gi": (1_024, "Mi")}
    times, smaller = thousands.get(unit, (1, unit))
    return str(said) if part == 1 else f"{int(number) * times // part}{smaller}"
