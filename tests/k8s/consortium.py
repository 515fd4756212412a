"""Four organisations for the names of `deploy/k8s/overlays/dev`, and what is mounted there: docs/kubernetes.md's steps.

Every key is born in a folder of its organisation; one person has them all, as this overlay is for trying.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec

from ledgernode.identity.founding import Network, NetworkNode, accept_genesis, assemble_genesis, organisation_directory
from ledgernode.identity.home import certify_node, request_node, tls_directory, validator_directory
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.organisation import (
    create_organisation,
    identity_directory,
    new_identity,
    sign_request,
    write_bundle,
)
from ledgernode.identity.records import Role
from ledgernode.identity.tls import write_roots
from ledgernode.wire.genesis import GenesisEngine, chain_id
from ledgernode.wire.parameters import Parameters
from tests.running import now_ms

ORGANISATIONS = ("alpha", "beta", "gamma", "delta")
LEDGER = "market"
VALIDATOR = "validator-1"


def found(directory: Path, namespace: str) -> None:
    """Organisations, admins, nodes' keys, a gateway's and a meter's; genesis and acceptances; network.json."""
    hosts = [f"validator-{number}.validator.{namespace}.svc.cluster.local" for number in range(len(ORGANISATIONS))]
    bundles, nodes = [], []
    for organisation, host in zip(ORGANISATIONS, hosts, strict=True):
        home, node = organisation_directory(directory, organisation), directory / "nodes" / f"{organisation}-1"
        create_organisation(home, organisation, now_ms=now_ms())
        new_identity(home, "admin", Role.ADMIN, now_ms=now_ms())
        validator, tls = request_node(node, organisation=organisation, name=VALIDATOR)
        names = (host, host.split(".svc")[0], host.partition(f".{namespace}")[0])
        certify_node(
            node,
            sign_request(home, validator, now_ms=now_ms()),
            sign_request(home, tls, now_ms=now_ms(), tls_names=names),
        )
        bundles.append(write_bundle(home, {VALIDATOR: f"{host}:7051"}))
        nodes.append(NetworkNode(f"{organisation}-1", organisation, f"{host}:7051", f"nodes/{organisation}-1"))
    first = organisation_directory(directory, ORGANISATIONS[0])
    gateway_names = ("gateway", f"gateway.{namespace}.svc.cluster.local")
    new_identity(first, "gateway-1", Role.GATEWAY, now_ms=now_ms(), tls_names=gateway_names)
    new_identity(first, "M-1", Role.METER, now_ms=now_ms())
    raw = assemble_genesis(
        bundles, name=LEDGER, engine=GenesisEngine("pbft", {}), parameters=Parameters(), now_ms=now_ms()
    )
    (directory / "genesis.json").write_bytes(raw)
    roots = [root for bundle in bundles for root in bundle.roots]
    for organisation in ORGANISATIONS:
        home = organisation_directory(directory, organisation)
        acceptance = accept_genesis(raw, load_identity(identity_directory(home, "admin"))[0])
        (directory / f"{organisation}.acceptance.json").write_bytes(acceptance)
        for identity in (home / "identities").iterdir():
            write_roots(identity, roots)
    network = Network(LEDGER, chain_id(raw).hex(), "pbft", ORGANISATIONS, tuple(nodes))
    (directory / "network.json").write_bytes(msgspec.json.encode(network))


def mounted(directory: Path, namespace: str) -> list[dict[str, Any]]:
    """The ConfigMap and the Secrets of docs/kubernetes.md."""
    ledger = {path.name: path for path in (directory / "genesis.json", *directory.glob("*.acceptance.json"))}
    keys: dict[str, Path] = {}
    for number, organisation in enumerate(ORGANISATIONS):
        home = directory / "nodes" / f"{organisation}-1"
        for folder, purpose in ((validator_directory(home), "validator"), (tls_directory(home), "tls")):
            for file in ("key.pem", "certificate.pem"):
                keys[f"validator-{number}.{purpose}-{file}"] = folder / file
    gateway = identity_directory(organisation_directory(directory, ORGANISATIONS[0]), "gateway-1")
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "ledger", "namespace": namespace},
            "data": {name: path.read_text() for name, path in ledger.items()},
        },
        _secret("validator-keys", namespace, keys),
        _secret("gateway-identity", namespace, {path.name: path for path in gateway.glob("*.pem")}),
    ]


def _secret(name: str, namespace: str, files: dict[str, Path]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(path.read_bytes()).decode() for key, path in files.items()},
    }
