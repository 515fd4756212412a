"""A cluster of one machine: etcd, API server, controller manager, scheduler, containerd and kubelet, all real.

With names (`names.py`) and volumes (`volumes.py`); nothing enforces network policies. Everything lies in one folder
and on one bridge of its own. It goes on when the command that started it has ended, until `close`. Needs root.
Programs come from `build.sh`, images from `image.sh`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conditions import until
from tests.k8s.api import PORT as API_PORT
from tests.k8s.api import Api, write_access
from tests.k8s.parts import Parts

BRIDGE = "ledgernode0"
ADDRESS = "10.213.0.1"
PODS = "10.213.0.0/16"
NODE = "node-1"
LOGS = Path("/var/log/pods")
START_S = 180.0
ETCD_PORTS = (12379, 12380)


class Cluster:
    """`start`, at last `close`. `apply` sends objects; `inside` is a command that uses the cluster's names."""

    def __init__(self, directory: Path, programs: Path, archives: Sequence[Path]) -> None:
        self.directory = directory
        self._programs = programs
        self._archives = archives
        self._parts = Parts(directory)
        self.api = Api(directory) if self._parts.all_run else None

    # ------------------------------------------------------------ begin and end

    @property
    def runs(self) -> bool:
        """Has an earlier command left it running?"""
        return self.api is not None

    def start(self) -> None:
        """In an emptied folder."""
        assert not LOGS.exists() or not any(LOGS.iterdir()), (
            "another cluster runs here, or has left its logs in /var/log/pods"
        )
        self._empty()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _empty(self) -> None:
        """Whatever an earlier one has left is gone; logs of this one stay."""
        self._unmount()
        if self.directory.exists():
            shutil.rmtree(self.directory)
        self._parts = Parts(self.directory)

    def _start(self) -> None:
        for folder in ("logs", "kubelet", "manifests", "cni", "containerd", "volumes", "certificates"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        self._write_files()
        self._bridge()
        etcd = [f"http://127.0.0.1:{port}" for port in ETCD_PORTS]
        self._run(
            "etcd", "--data-dir", self.directory / "etcd", "--listen-client-urls", etcd[0],
            "--advertise-client-urls", etcd[0], "--listen-peer-urls", etcd[1],
            "--initial-advertise-peer-urls", etcd[1], "--initial-cluster", f"default={etcd[1]}",
        )  # fmt: skip
        self._run("containerd", "--config", self.directory / "containerd.toml")
        key = self.directory / "accounts.pem"
        self._run(
            self._programs / "kube-apiserver", f"--etcd-servers={etcd[0]}", "--bind-address=127.0.0.1",
            f"--secure-port={API_PORT}", f"--cert-dir={self.directory / 'certificates'}",
            f"--token-auth-file={self.directory / 'tokens.csv'}", "--authorization-mode=AlwaysAllow",
            "--service-cluster-ip-range=10.214.0.0/16", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", "--service-account-issuer=https://kubernetes.default.svc",
            "--allow-privileged=false", "--profiling=false", "--kubelet-preferred-address-types=InternalIP",
        )  # fmt: skip
        self.api = Api(self.directory)
        until(self._answers, START_S, every_s=0.5)
        config = f"--kubeconfig={self.directory / 'kubeconfig'}"
        self._run(
            self._programs / "kube-controller-manager", config, f"--service-account-private-key-file={key}",
            "--leader-elect=false", "--bind-address=127.0.0.1", "--port=0",
            "--horizontal-pod-autoscaler-sync-period=5s",
        )  # fmt: skip
        self._run(
            self._programs / "kube-scheduler", config, "--leader-elect=false", "--bind-address=127.0.0.1", "--port=0"
        )
        until((self.directory / "containerd.sock").exists, START_S)
        for archive in self._archives:
            self._once(
                "ctr", "--address", self.directory / "containerd.sock", "-n", "k8s.io", "images", "import", archive
            )
        self._run(
            self._programs / "kubelet", config, f"--config={self.directory / 'kubelet.yaml'}",
            f"--root-dir={self.directory / 'kubelet'}", f"--cert-dir={self.directory / 'certificates'}",
            "--container-runtime=remote", f"--container-runtime-endpoint=unix://{self.directory / 'containerd.sock'}",
            f"--hostname-override={NODE}", f"--node-ip={ADDRESS}",
        )  # fmt: skip
        until(self._node_is_ready, START_S, every_s=0.5)
        self._parts.start("names", sys.executable, "-m", "tests.k8s.names", ADDRESS, self.directory)
        self._parts.start("volumes", sys.executable, "-m", "tests.k8s.volumes", self.directory)

    def close(self) -> None:
        """Pods first, then what ran them, the newest first; nothing of it is left but logs."""
        with contextlib.suppress(Exception):
            self._end_containers()
        self._parts.end()
        self.api = None
        self._unmount()
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)
        for groups in sorted(Path("/sys/fs/cgroup").glob("*/kubepods")):
            for group in sorted((one for one in groups.rglob("*") if one.is_dir()), key=lambda one: -len(one.parts)):
                with contextlib.suppress(OSError):
                    group.rmdir()
            with contextlib.suppress(OSError):
                groups.rmdir()
        shutil.rmtree(LOGS, ignore_errors=True)  # of containers, which a kubelet keeps in this place alone

    def _end_containers(self) -> None:
        """The kubelet would start them again: it goes first."""
        self._parts.end("kubelet")
        ctr = ["ctr", "--address", str(self.directory / "containerd.sock"), "-n", "k8s.io"]
        listed = subprocess.run([*ctr, "tasks", "list", "-q"], capture_output=True, text=True, check=True, timeout=30)
        for task in listed.stdout.split():
            subprocess.run([*ctr, "tasks", "kill", "-s", "SIGKILL", task], capture_output=True, check=False, timeout=30)
        time.sleep(1)
        for task in listed.stdout.split():
            subprocess.run([*ctr, "tasks", "delete", "-f", task], capture_output=True, check=False, timeout=30)
            subprocess.run([*ctr, "containers", "delete", task], capture_output=True, check=False, timeout=30)

    def _unmount(self) -> None:
        """What kubelet and containerd have mounted below our folder, the deepest first."""
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for at in sorted((one for one in mounted if one.startswith(f"{self.directory}/")), key=len, reverse=True):
            subprocess.run(["umount", "-l", at], capture_output=True, check=False)

    # ------------------------------------------------------------ what is asked of it

    def ask(self, path: str, *, method: str = "GET", body: Any = None) -> Any:
        """The API's answer; raises urllib.error.HTTPError."""
        assert self.api is not None, "the cluster does not run"
        return self.api.ask(path, method=method, body=body)

    @property
    def program(self) -> list[str]:
        """kubectl for this cluster."""
        return [str(self._programs / "kubectl"), f"--kubeconfig={self.directory / 'kubeconfig'}"]

    def kubectl(self, *arguments: object, given: Any = None) -> str:
        """Its output; raises with what it says."""
        command = [*self.program, *map(str, arguments)]
        raw = None if given is None else json.dumps(given).encode()
        ended = subprocess.run(command, input=raw, capture_output=True, check=False, timeout=300)
        assert ended.returncode == 0, f"kubectl {arguments}: {ended.stderr.decode()}"
        return ended.stdout.decode()

    def apply(self, objects: Sequence[dict[str, Any]]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--validate=false", "-f", "-", given=listed)

    def inside(self, command: Sequence[object], namespace: str) -> list[str]:
        """The same command, in which names are the cluster's."""
        resolving = self.directory / f"resolv-{namespace}.conf"
        resolving.write_text(f"nameserver {ADDRESS}\nsearch {namespace}.svc.cluster.local svc.cluster.local\n")
        script = f'mount --bind "{resolving}" /etc/resolv.conf && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *map(str, command)]

    def pods(self, namespace: str, component: str) -> list[dict[str, Any]]:
        selector = f"labelSelector=app.kubernetes.io/component%3D{component}"
        found: list[dict[str, Any]] = self.ask(f"/api/v1/namespaces/{namespace}/pods?{selector}")["items"]
        return found

    def ready(self, namespace: str, component: str) -> list[str]:
        """Names of the pods that are."""
        return sorted(
            pod["metadata"]["name"]
            for pod in self.pods(namespace, component)
            if not pod["metadata"].get("deletionTimestamp")
            and any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))
        )

    # ------------------------------------------------------------ the parts

    def _answers(self) -> bool:
        self._parts.check()
        return self.api is not None and self.api.is_ready()

    def _node_is_ready(self) -> bool:
        self._parts.check()
        for node in self.ask("/api/v1/nodes")["items"]:
            if any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"]):
                return True
        return False

    def check(self) -> None:
        """Raises where a part has ended by itself."""
        self._parts.check()

    def _run(self, program: Path | str, *arguments: object) -> None:
        self._parts.start(Path(program).name, program, *arguments)

    def _once(self, *command: object) -> None:
        ended = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{command}: {ended.stderr}"

    def _bridge(self) -> None:
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)
        self._once("ip", "link", "add", BRIDGE, "type", "bridge")
        self._once("ip", "address", "add", f"{ADDRESS}/16", "dev", BRIDGE)
        self._once("ip", "link", "set", BRIDGE, "up")

    def _write_files(self) -> None:
        at = self.directory
        write_access(at)
        self._once("openssl", "genrsa", "-out", at / "accounts.pem", "2048")
        (at / "kubelet.yaml").write_text(
            json.dumps(
                {
                    "apiVersion": "kubelet.config.k8s.io/v1beta1",
                    "kind": "KubeletConfiguration",
                    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
                    "authorization": {"mode": "AlwaysAllow"},
                    "address": ADDRESS,
                    "cgroupDriver": "cgroupfs",
                    "clusterDNS": [ADDRESS],
                    "clusterDomain": "cluster.local",
                    "failSwapOn": False,
                    "syncFrequency": "10s",  # so soon a pod sees a Secret that was written again
                    "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
                    "imageGCHighThresholdPercent": 100,
                    "healthzPort": 0,
                    "makeIPTablesUtilChains": False,
                }
            )
        )
        (at / "cni" / "10-bridge.conflist").write_text(
            json.dumps(
                {
                    "cniVersion": "0.4.0",
                    "name": "ledgernode",
                    "plugins": [
                        {
                            "type": "bridge",
                            "bridge": BRIDGE,
                            "isGateway": True,
                            "hairpinMode": True,
                            "ipam": {
                                "type": "host-local",
                                "dataDir": str(at / "addresses"),
                                "ranges": [[{"subnet": PODS, "rangeStart": "10.213.1.1", "gateway": ADDRESS}]],
                                "routes": [{"dst": "0.0.0.0/0"}],
                            },
                        }
                    ],
                }
            )
        )
        (at / "containerd.toml").write_text(
            f"""version = 2
root = "{at}/containerd/root"
state = "{at}/containerd/state"
[grpc]
  address = "{at}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:test"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{at}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
  path = "{at}/containerd/opt"
"""
        )
