"""`make k8s-test`: the manifests in a real cluster of this machine. Needs root, Debian 12 and some GB in ~/.cache.

    python -m tests.k8s                  all steps, one after another; all that was started ends with it
    python -m tests.k8s --only STEP      one step (may be repeated); the cluster and what is in it stay for the next
    python -m tests.k8s --end            ends what was kept

Founds four organisations, applies our overlays, and asks of them what docs/kubernetes.md promises; figures on standard
output.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.k8s import page, steps
from tests.k8s.cluster import Cluster
from tests.k8s.town import Town, say

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("LEDGERNODE_K8S_CACHE", Path.home() / ".cache" / "ledgernode" / "k8s"))
IMAGES = ("pause", "ledgernode", "mosquitto", "postgres")
STEPS = {
    "up": steps.comes_up,
    "readings": steps.readings,
    "tls": steps.tls,
    "deleted-pod": steps.deleted_pod,
    "rolling-update": steps.rolling_update,
    "scale-out": steps.scale_out,
    "budget": steps.budget,
    "ends": steps.ends,
}
PAGE = {"consortium": page.consortium, "backup": page.backup, "fifth": page.fifth, "leave": page.leave}


def prepared() -> list[Path]:
    """Programs and images, made where they are not there yet."""
    for script in ("build.sh", "image.sh"):
        subprocess.run(["bash", str(HERE / script), str(CACHE)], check=True, stdout=sys.stderr)
    return [CACHE / "images" / f"{name}.tar" for name in IMAGES]


def play(cluster: Cluster, names: list[str]) -> None:
    """Each step wants what the first of its kind has made."""
    town = Town(cluster)
    for name in names:
        say(f"--- {name}")
        if name in PAGE:
            PAGE[name](cluster)
        else:
            STEPS[name](town)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.k8s")
    parser.add_argument(
        "--only", action="append", choices=(*STEPS, *PAGE), metavar="STEP", help=", ".join((*STEPS, *PAGE))
    )
    parser.add_argument("--end", action="store_true")
    asked = parser.parse_args()
    cluster = Cluster(CACHE / "run", CACHE / "bin", [])
    if asked.end:
        cluster.close()
        return 0
    if not cluster.runs:
        cluster = Cluster(CACHE / "run", CACHE / "bin", prepared())
        cluster.start()
        say("a control plane and a node are up")
    if asked.only:
        play(cluster, asked.only)
        return 0
    try:
        play(cluster, [*STEPS, *PAGE])
    finally:
        cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
