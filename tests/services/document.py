"""docs/access.md from the services themselves: every call, and who may.

python -m tests.services.document > docs/access.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from ledgernode.identity.records import Role
from ledgernode.services.access import CUT, Access
from ledgernode.services.admin_service import AdminService
from ledgernode.services.calls import ACCESS, Service
from ledgernode.services.ledger_service import LedgerService
from ledgernode.services.snapshot_service import SnapshotService
from ledgernode.services.validator_service import ValidatorService
from ledgernode.v1 import admin_pb2, ledger_pb2, snapshot_pb2, validator_pb2

PAGE: Final = Path(__file__).parent.parent.parent / "docs" / "access.md"
SERVICES: Final[tuple[tuple[ServiceDescriptor, type[Service]], ...]] = (
    (ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"], LedgerService),
    (validator_pb2.DESCRIPTOR.services_by_name["ValidatorService"], ValidatorService),
    (snapshot_pb2.DESCRIPTOR.services_by_name["SnapshotService"], SnapshotService),
    (admin_pb2.DESCRIPTOR.services_by_name["AdminService"], AdminService),
)
CUT_CALLS: Final = ("CommitStatus", "Events", "GetTransaction", "GetProof")
"""Of which who may not read everything is shown what is about it (`tests/integration/test_concern.py`)."""
_ABOVE: Final = """\
# Who may call what of a node

Every call of a node's gRPC services, and the roles it is for. A caller is known by its TLS certificate: who has none
under a root of the ledger's organisations, whose certificate has ended, and who is revoked, is refused before
(`UNAUTHENTICATED`, `CERTIFICATE_INVALID`, `SIGNER_REVOKED`). *own* stands for that role in the organisation that runs
the node; everybody else is refused with `ROLE_REFUSED`. `tests/services/test_access.py` makes every call as every role,
from both sides.

*about it*: the call is answered as far as it concerns the caller: events that name it or name nobody, transactions that
it has signed or that are about it alone, of others' outcomes no message and result (decision 30;
`tests/integration/test_concern.py`).

This is the first of three doors. What a transaction may do is decided by the contract it calls, by the identity that
signed it ([contracts.md](contracts.md)). What a person sees of others through a gateway is decided by its scope
([http.md](http.md)). `grpc.health.v1.Health` and the reflection of schemas are for everybody who has a certificate.

"""


class Row(NamedTuple):
    service: str
    call: MethodDescriptor
    access: Access


def rows() -> Iterator[Row]:
    """Every call of every schema. A call without a rule fails here."""
    for described, service in SERVICES:
        for call in described.methods:
            yield Row(described.name, call, getattr(getattr(service, call.name), ACCESS))


def page() -> str:
    lines = [f"| call | {' | '.join(Role)} |", "|---" * (len(Role) + 1) + "|"]
    for row in rows():
        cells = [
            "about it"
            if role in CUT and row.call.name in CUT_CALLS and row.access.allows(role, own=False)
            else "yes"
            if row.access.allows(role, own=False)
            else "own"
            if row.access.allows(role, own=True)
            else "-"
            for role in Role
        ]
        lines.append(f"| `{row.service}.{row.call.name}` | {' | '.join(cells)} |")
    return _ABOVE + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
