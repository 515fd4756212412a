"""The manifests as `kubectl apply -k` would send them."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy" / "k8s"
Document = dict[str, Any]


@functools.cache
def kubectl() -> str:
    found = subprocess.run(
        ["bash", str(Path(__file__).with_name("tools.sh")), "kubectl"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@functools.cache
def rendered(name: str) -> tuple[Document, ...]:
    """Every object of an overlay or job."""
    ended = subprocess.run([kubectl(), "kustomize", str(MANIFESTS / name)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return tuple(one for one in yaml.safe_load_all(ended.stdout) if one)


def of_kind(name: str, *kinds: str) -> list[Document]:
    return [one for one in rendered(name) if one["kind"] in kinds]


def pod_template(workload: Document) -> Document:
    """Of a Deployment, StatefulSet, Job or CronJob."""
    spec = workload["spec"]
    template: Document = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"]
    return template
