"""Errors as they come over a connection: typed, with their facts."""

from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from ledgernode.client.connection import read_error, typed
from ledgernode.errors import (
    CommitUnknown,
    ContractRefused,
    Exhausted,
    LedgerError,
    MempoolFull,
    NodeUnreachable,
    leaves,
)
from ledgernode.services.calls import trailing_metadata


def failed(status: grpc.StatusCode, details: str = "", metadata: tuple[tuple[str, str], ...] = ()) -> AioRpcError:
    return AioRpcError(status, Metadata(), Metadata(*metadata), details)


@pytest.mark.parametrize("kind", leaves())
def test_every_error_crosses_the_wire(kind: type[LedgerError]) -> None:
    """Its class, its words and the node's advice arrive as they left."""
    error = kind("because", retry_ms=70)
    read = read_error(failed(grpc.StatusCode[error.grpc_status], str(error), trailing_metadata(error)))
    assert (type(read), str(read)) == (kind, "because")
    assert read.facts.get("retry_ms", 70) == 70


def test_a_contracts_own_code_crosses_the_wire() -> None:
    """It keeps the contract and the code among its facts."""
    error = typed("currency.INSUFFICIENT_BALANCE", "5 short")
    read = read_error(failed(grpc.StatusCode.FAILED_PRECONDITION, str(error), trailing_metadata(error)))
    assert isinstance(read, ContractRefused)
    assert read.facts == {"code": "currency.INSUFFICIENT_BALANCE", "contract": "currency"}


@pytest.mark.parametrize(
    ("status", "details", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, "connection refused", NodeUnreachable),
        (grpc.StatusCode.CANCELLED, "", NodeUnreachable),
        (grpc.StatusCode.INTERNAL, "Internal error from Core", NodeUnreachable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", CommitUnknown),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max", Exhausted),
        (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", LedgerError),
    ],
)
def test_a_status_without_a_code_has_a_class_too(
    status: grpc.StatusCode, details: str, kind: type[LedgerError]
) -> None:
    """What no node of ours said is told apart by what the connection says."""
    read = read_error(failed(status, details))
    assert type(read) is kind
    assert not isinstance(read, MempoolFull)
