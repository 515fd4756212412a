"""What a broker of these tests shows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ledgernode.identity.organisation import create_organisation, identity_directory, new_identity, read_root
from ledgernode.identity.records import Role
from ledgernode.identity.tls import write_roots


@pytest.fixture(scope="session")
def broker_identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TLS certificate that names this machine, and the root it stands under."""
    path = tmp_path_factory.mktemp("identity")
    now_ms = time.time_ns() // 1_000_000
    create_organisation(path / "north", "north", now_ms=now_ms)
    new_identity(path / "north", "broker", Role.GATEWAY, now_ms=now_ms, tls_names=("localhost",))
    identity = identity_directory(path / "north", "broker")
    write_roots(identity, [read_root(path / "north")[1]])
    return identity
