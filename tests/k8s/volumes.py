"""A cluster's storage, for a cluster of one machine: each claim that waits for a volume gets a folder of its own.

python -m tests.k8s.volumes DIRECTORY      until it is told to end, for the cluster in DIRECTORY
"""

from __future__ import annotations

import sys
import time
import urllib.error
from pathlib import Path
from typing import Any

from tests.k8s.api import Api

_LOOK_S = 0.5
_THIS_MACHINE = {"key": "kubernetes.io/hostname", "operator": "Exists"}


class Volumes:
    """Folders below `directory`, one for each claim: one that was deleted and comes again begins empty."""

    def __init__(self, directory: Path, api: Api) -> None:
        self._directory = directory
        self._api = api

    def look(self) -> None:
        for claim in self._api.ask("/api/v1/persistentvolumeclaims")["items"]:
            if claim["status"]["phase"] != "Pending" or claim["spec"].get("volumeName"):
                continue
            name = f"{claim['metadata']['namespace']}-{claim['metadata']['name']}-{claim['metadata']['uid'][:8]}"
            if (self._directory / name).exists():
                continue
            (self._directory / name).mkdir(mode=0o755)  # the kubelet gives it to the pod's group
            self._api.ask("/api/v1/persistentvolumes", method="POST", body=self._volume(name, claim))

    def _volume(self, name: str, claim: dict[str, Any]) -> dict[str, Any]:
        at = {key: claim["metadata"][key] for key in ("namespace", "name", "uid")}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": claim["spec"]["resources"]["requests"],
                "accessModes": claim["spec"]["accessModes"],
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **at},
                "local": {"path": str(self._directory / name)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [_THIS_MACHINE]}]}},
            },
        }


if __name__ == "__main__":
    at = Path(sys.argv[1])
    volumes = Volumes(at / "volumes", Api(at))
    while True:
        try:
            volumes.look()
        except (OSError, urllib.error.URLError) as error:
            sys.stderr.write(f"{error}\n")
        time.sleep(_LOOK_S)
