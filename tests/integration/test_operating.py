"""What operators and monitors see: status, identities, snapshots, log level, health, reflection, who may."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ledgernode.client import Ledger
from ledgernode.errors import BadRequest, LedgerError, NodeUnreachable, RoleRefused, UnknownLedger
from ledgernode.identity.records import Role
from ledgernode.identity.tls import load_tls
from ledgernode.services.server import ADMIN_SERVICE, LEDGER_SERVICE
from tests.running import LEDGER, NodeProcess, Person

pytestmark = pytest.mark.slow


def test_status_tells_what_an_operator_looks_at_first(node: NodeProcess, ledger: Ledger) -> None:
    """Version, ledgers, heights, and which validator this node is."""
    facts = ledger.facts()
    with node.operator() as operator:
        status = operator.status()
    (one,) = status.ledgers
    assert (status.organisation, status.version, status.log_level) == ("north", "0.1.0", "info")
    assert (one.ledger, one.chain_id, one.engine) == (LEDGER, facts.chain_id, "solo")
    assert one.height == one.certified_height >= facts.height
    assert (one.halted, one.halt_reason, one.mempool_transactions) == (False, "", 0)
    assert [(validator.organisation, validator.self) for validator in one.validators] == [("north", True)]
    assert min(one.database_bytes, one.committed_transactions, status.memory_bytes, status.started_ms) > 0


def test_only_admins_of_the_nodes_organisation_operate_it(node: NodeProcess, anna: Person) -> None:
    """Neither another role nor another organisation's admin."""
    for person in (anna, node.network.admins[1]):
        with node.operator(person) as operator:
            for call in (operator.status, lambda: operator.set_log_level("debug")):
                with pytest.raises(RoleRefused, match="admin of the node's organisation"):
                    call()
            for stream in (operator.identities(LEDGER), operator.create_snapshot(LEDGER)):
                with pytest.raises(RoleRefused):
                    next(iter(stream))


def test_the_log_level_changes_while_the_node_runs(node: NodeProcess) -> None:
    """An unknown level is refused, and the one in force stays."""
    with node.operator() as operator:
        assert operator.set_log_level("debug") == "debug"
        with pytest.raises(BadRequest, match="loud"):
            operator.set_log_level("loud")
        assert operator.status().log_level == "debug"
        operator.set_log_level("info")
    assert "log level set" in node.log.read_text()


def test_identities_are_listed(node: NodeProcess, anna: Person) -> None:
    """Everyone registered, with role, status and keys; of one organisation where it is named."""
    with node.operator() as operator:
        everyone = {identity.id: identity for identity in operator.identities(LEDGER)}
        north = [identity.organisation for identity in operator.identities(LEDGER, organisation="north")]
        found = everyone[anna.signer.identity.hex()]
        assert (found.role, found.status, found.organisation) == ("customer", "active", "north")
        assert [key.public_key for key in found.keys] == [anna.key.public_key]
        assert set(north) == {"north"}
        assert len(north) < len(everyone)
        with pytest.raises(UnknownLedger):
            list(operator.identities("elsewhere"))


def test_a_snapshot_is_written_beside_the_running_ledger(node: NodeProcess, ledger: Ledger) -> None:
    """Its path comes with the last progress, and it is of the newest block."""
    with node.operator() as operator:
        last = list(operator.create_snapshot(LEDGER))[-1]
    assert (last.height, last.chunks_done) == (ledger.facts().height, last.chunks_total)
    assert any(Path(last.path).iterdir())


def channel(node: NodeProcess, person: Person) -> grpc.Channel:
    return grpc.secure_channel(node.endpoint, person.credentials)


def test_health_and_reflection_are_standard(node: NodeProcess, anna: Person) -> None:
    """Any tool that speaks them finds the node serving, and its services."""
    with channel(node, anna) as connected:
        health = health_pb2_grpc.HealthStub(connected)
        for service in ("", LEDGER_SERVICE):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflect = reflection_pb2_grpc.ServerReflectionStub(connected)
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        (listed,) = reflect.ServerReflectionInfo(asked)
        names = {service.name for service in listed.list_services_response.service}
    assert {LEDGER_SERVICE, ADMIN_SERVICE, "grpc.health.v1.Health"} <= names


def test_without_a_certificate_there_is_no_connection(node: NodeProcess) -> None:
    """TLS asks both ends; a caller without a certificate, or without TLS, gets no answer."""
    roots = "".join(load_tls(node.network.admin.directory).roots).encode()
    for credentials in (None, grpc.ssl_channel_credentials(root_certificates=roots)):
        with Ledger([node.endpoint], LEDGER, credentials, timeout_ms=500) as ledger:
            with pytest.raises(LedgerError) as refusal:
                ledger.facts()
            assert isinstance(refusal.value, NodeUnreachable) or refusal.value.code == "COMMIT_UNKNOWN"


def test_a_gateway_may_call_but_not_operate(node: NodeProcess) -> None:
    """Any member with a certificate reads; its signatures count, not its connection."""
    gateway = node.network.newcomer("south", "gateway-1", Role.GATEWAY)
    with node.ledger(gateway) as ledger:
        assert ledger.facts().ledger == LEDGER
    with node.operator(gateway) as operator, pytest.raises(RoleRefused):
        operator.status()
