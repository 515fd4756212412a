"""The folder a node lives in, and the small file in it that says what it serves.

HOME/node.json                           this file's `NodeConfig`
HOME/validator/{key.pem,certificate.pem} who signs block certificates
HOME/tls/{key.pem,certificate.pem,roots.pem}
HOME/ledgers/NAME/{genesis.json,data/}   and beside `data` what the node looks after by itself: incoming/, snapshots/
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec

from ledgernode.config import MAP_SIZE_LIMIT, MEMPOOL_BYTES, MEMPOOL_TRANSACTIONS, STUCK_AFTER_MS, TRACE_ONE_IN
from ledgernode.errors import BadRequest
from ledgernode.identity.certificate_profile import Purpose
from ledgernode.identity.identity_files import new_request, place_certificate
from ledgernode.identity.key_file import PLAIN, Keeping
from ledgernode.identity.records import Role
from ledgernode.wire.unreadable import UNREADABLE

FILE: Final = "node.json"


class LedgerLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one ledger may take of its node: transactions that wait, and its database. It halts when that is full."""

    mempool_transactions: Annotated[int, msgspec.Meta(ge=1)] = MEMPOOL_TRANSACTIONS
    mempool_bytes: Annotated[int, msgspec.Meta(ge=1)] = MEMPOOL_BYTES
    store_bytes: Annotated[int, msgspec.Meta(ge=1)] = MAP_SIZE_LIMIT


class Nats(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the log of a ledger with the engine `jetstream` is. Paths are relative to the node's folder.

    `servers` are URLs (`nats://…`, `tls://…`); `credentials` a file of NATS' own form; `tls` a folder with key.pem,
    certificate.pem and roots.pem, the client certificate shown to the servers. Whoever makes the stream, once, asks for
    `replicas` copies and keeps messages for `keep_days`: longer than a validator is ever away, and 0 is for ever.
    """

    servers: tuple[str, ...]
    credentials: str = ""
    tls: str = ""
    replicas: Annotated[int, msgspec.Meta(ge=1, le=5)] = 3
    keep_days: Annotated[int, msgspec.Meta(ge=0, le=36_500)] = 30


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`validator` is the node's name within its organisation; `listen` is where it serves.

    It makes a snapshot every `snapshot_every_blocks` (0: none) and keeps the newest `snapshots_kept`; further behind
    than `sync_behind_blocks` it takes one from a peer, if there is one (0: never).

    `key_passphrase_file` opens its keys where they are encrypted; as seen from the home.

    `limits` are of ledgers by name, where they are not the default.

    It keeps the newest `keep_blocks` blocks, as far as a snapshot of its own allows (0: every block), and tells who
    asks for older ones of the nodes in `archives`, each HOST:PORT.

    `observe` is where its operator's health checks and metrics are served, HOST:PORT (empty: nowhere), and
    `stuck_after_ms` how long it may stand still before it says that it should be started again. `nats` is where the log
    of its ledgers is, if one of them is ordered by a log.

    `trace` is a collector of traces (OTLP over HTTP), http://HOST:PORT (empty: none), which is told about one
    transaction of `trace_one_in`; all nodes, gateways and meters should have the same there.
    """

    organisation: str
    validator: str
    listen: str
    ledgers: tuple[str, ...]
    snapshot_dir: str = "snapshots"
    log_level: str = "info"
    snapshot_every_blocks: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    snapshots_kept: Annotated[int, msgspec.Meta(ge=1)] = 2
    sync_behind_blocks: Annotated[int, msgspec.Meta(ge=0)] = 5_000
    observe: str = ""
    trace: str = ""
    trace_one_in: Annotated[int, msgspec.Meta(ge=1)] = TRACE_ONE_IN
    key_passphrase_file: str = ""
    stuck_after_ms: Annotated[int, msgspec.Meta(ge=1_000)] = STUCK_AFTER_MS
    limits: dict[str, LedgerLimits] = {}
    keep_blocks: Annotated[int, msgspec.Meta(ge=0)] = 0
    archives: tuple[str, ...] = ()
    nats: Nats | None = None

    @staticmethod
    def read(home: Path) -> NodeConfig:
        """Refuses a folder that is no node's, and a file with unknown or missing fields."""
        path = home / FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=NodeConfig)
        except OSError as error:
            raise BadRequest(f"{home} is no node's folder: {FILE} cannot be read ({error.strerror})") from error
        except UNREADABLE as error:
            raise BadRequest(f"{path}: {error}") from error

    def write(self, home: Path) -> None:
        """Under another name first: a running node reads it at any moment."""
        home.mkdir(parents=True, exist_ok=True)
        written = home / f"{FILE}.part"
        written.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        written.replace(home / FILE)


def validator_directory(home: Path) -> Path:
    return home / "validator"


def tls_directory(home: Path) -> Path:
    return home / "tls"


def genesis_path(home: Path, ledger: str) -> Path:
    return home / "ledgers" / ledger / "genesis.json"


def ledger_directory(home: Path, ledger: str) -> Path:
    """All that the node keeps of one ledger."""
    return home / "ledgers" / ledger


def data_directory(home: Path, ledger: str) -> Path:
    return home / "ledgers" / ledger / "data"


def request_node(
    home: Path, *, organisation: str, name: str, signing: Keeping = PLAIN, tls: Keeping = PLAIN
) -> tuple[str, str]:
    """Make a node's two keys where it will live; returns the requests for its validator and TLS certificates."""
    return (
        new_request(
            validator_directory(home), organisation=organisation, role=Role.VALIDATOR, name=name, keeping=signing
        ),
        new_request(
            tls_directory(home),
            organisation=organisation,
            role=Role.VALIDATOR,
            name=name,
            purpose=Purpose.TLS,
            prefix="",
            keeping=tls,
        ),
    )


def certify_node(home: Path, validator_chain: str, tls_chain: str) -> None:
    """Put the two certificates that came back beside their keys; refuses those of other keys."""
    place_certificate(validator_directory(home), validator_chain)
    place_certificate(tls_directory(home), tls_chain)
