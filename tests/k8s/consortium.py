"""Four organisations for the names of `deploy/k8s/overlays/dev`, and what is mounted there: docs/kubernetes.md's steps.

Every key is born in a folder of its organisation; one person has them all, as this overlay is for trying.
"""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any

import msgspec

from gateway.mqtt.broker_files import Users, write_broker_files
from gateway.mqtt.topics import Device, Topics
from ledgernode.identity.certificate_profile import Purpose
from ledgernode.identity.founding import Network, NetworkNode, accept_genesis, assemble_genesis, organisation_directory
from ledgernode.identity.home import certify_node, request_node, tls_directory, validator_directory
from ledgernode.identity.identity_files import finish_rotation, load_identity, new_request
from ledgernode.identity.organisation import (
    create_organisation,
    identity_directory,
    new_identity,
    read_root,
    sign_request,
    write_bundle,
)
from ledgernode.identity.records import Role
from ledgernode.identity.secret_file import create_secret
from ledgernode.identity.tls import write_roots
from ledgernode.wire.genesis import GenesisEngine, chain_id
from ledgernode.wire.parameters import Parameters
from tests.running import now_ms

ORGANISATIONS = ("alpha", "beta", "gamma", "delta")
LEDGER = "market"
VALIDATOR = "validator-1"
METERS = tuple(f"M-{number}" for number in range(1, 6))


def found(directory: Path, namespace: str) -> None:
    """Organisations, admins, nodes' keys, a gateway's and a meter's; genesis and acceptances; network.json."""
    bundles, nodes = [], []
    for number, organisation in enumerate(ORGANISATIONS):
        home, node = organisation_directory(directory, organisation), node_directory(directory, number)
        create_organisation(home, organisation, now_ms=now_ms())
        new_identity(home, "admin", Role.ADMIN, now_ms=now_ms())
        validator, tls = request_node(node, organisation=organisation, name=VALIDATOR)
        names = _node_names(number, namespace)
        certify_node(
            node,
            sign_request(home, validator, now_ms=now_ms()),
            sign_request(home, tls, now_ms=now_ms(), tls_names=names),
        )
        bundles.append(write_bundle(home, {VALIDATOR: f"{names[0]}:7051"}))
        nodes.append(NetworkNode(f"{organisation}-1", organisation, f"{names[0]}:7051", f"nodes/{organisation}-1"))
    first = organisation_directory(directory, ORGANISATIONS[0])
    new_identity(first, "gateway-1", Role.GATEWAY, now_ms=now_ms(), tls_names=service_names("gateway", namespace))
    new_identity(first, "broker-1", Role.GATEWAY, now_ms=now_ms(), tls_names=service_names("broker", namespace))
    for meter in METERS:
        new_identity(first, meter, Role.METER, now_ms=now_ms())
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
    write_broker_files(
        broker_directory(directory),
        Topics(LEDGER),
        Users(devices=tuple(Device(ORGANISATIONS[0], meter) for meter in METERS), gateways=("gateway",)),
        port=8883,
        identity=identity_directory(first, "broker-1"),
        certificates=False,
        roots=[read_root(first)[1]],
    )
    create_secret(directory / "read-model.password", secrets.token_urlsafe().encode())
    network = Network(LEDGER, chain_id(raw).hex(), "pbft", ORGANISATIONS, tuple(nodes))
    (directory / "network.json").write_bytes(msgspec.json.encode(network))


def service_names(name: str, namespace: str) -> tuple[str, str]:
    return name, f"{name}.{namespace}.svc.cluster.local"


def broker_directory(directory: Path) -> Path:
    """With `passwords`, `rights`, and each user's own password under `secrets`."""
    return directory / "broker"


def renew_gateway(directory: Path, namespace: str) -> dict[str, Any]:
    """Another TLS key and certificate for the gateway; its Secret as it is to be from now on."""
    first = organisation_directory(directory, ORGANISATIONS[0])
    folder = identity_directory(first, "gateway-1")
    request = new_request(
        folder, rotation=True, organisation=ORGANISATIONS[0], role=Role.GATEWAY, name="gateway-1", purpose=Purpose.TLS
    )
    sign_request(first, request, now_ms=now_ms(), tls_names=service_names("gateway", namespace))
    finish_rotation(folder, Purpose.TLS)
    return _secret("gateway-identity", namespace, {path.name: path for path in folder.glob("*.pem")})


def renew_validators(directory: Path, namespace: str) -> dict[str, Any]:
    """Other TLS certificates for the same keys, of all four; their Secret as it is to be from now on."""
    for number, organisation in enumerate(ORGANISATIONS):
        home, folder = organisation_directory(directory, organisation), tls_directory(node_directory(directory, number))
        request = (folder / "request.pem").read_text()
        chain = sign_request(home, request, now_ms=now_ms(), tls_names=_node_names(number, namespace))
        (folder / "certificate.pem").write_text(chain)
    return next(one for one in mounted(directory, namespace) if one["metadata"]["name"] == "validator-keys")


def node_directory(directory: Path, number: int) -> Path:
    return directory / "nodes" / f"{ORGANISATIONS[number]}-1"


def _node_names(number: int, namespace: str) -> tuple[str, str, str]:
    """The name that stands in the genesis first."""
    short = f"validator-{number}.validator"
    return f"{short}.{namespace}.svc.cluster.local", f"{short}.{namespace}", short


def mounted(directory: Path, namespace: str) -> list[dict[str, Any]]:
    """The ConfigMap and the Secrets of docs/kubernetes.md."""
    ledger = {path.name: path for path in (directory / "genesis.json", *directory.glob("*.acceptance.json"))}
    keys: dict[str, Path] = {}
    for number in range(len(ORGANISATIONS)):
        home = node_directory(directory, number)
        for folder, purpose in ((validator_directory(home), "validator"), (tls_directory(home), "tls")):
            for file in ("key.pem", "certificate.pem"):
                keys[f"validator-{number}.{purpose}-{file}"] = folder / file
    first, users = organisation_directory(directory, ORGANISATIONS[0]), broker_directory(directory)
    gateway, broker = identity_directory(first, "gateway-1"), identity_directory(first, "broker-1")
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "ledger", "namespace": namespace},
            "data": {name: path.read_text() for name, path in ledger.items()},
        },
        _secret("validator-keys", namespace, keys),
        _secret("gateway-identity", namespace, {path.name: path for path in gateway.glob("*.pem")}),
        _secret("broker-keys", namespace, {path.name: path for path in broker.glob("*.pem")}),
        _secret("broker-users", namespace, {name: users / name for name in ("passwords", "rights")}),
        _secret("gateway-broker", namespace, {"password": users / "secrets" / "gateway.password"}),
        _secret("read-model-password", namespace, {"password": directory / "read-model.password"}),
    ]


def _secret(name: str, namespace: str, files: dict[str, Path]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(path.read_bytes()).decode() for key, path in files.items()},
    }
