"""No decoder is forgotten: whoever adds one adds a row, or says here why its bytes are our own."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

from tests.fuzz.target import SEEDS
from tests.fuzz.targets import TABLE

_ROOT: Final = Path(__file__).parent.parent.parent
_ROOMS: Final = {"src/ledgernode": "ledgernode", "gateway": "gateway", "devices": "devices"}
_GENERATED: Final = "v1"
_READS: Final = frozenset(
    {
        *("loads", "safe_load", "literal_eval", "iter_unpack", "unpack", "unpack_from", "fromhex", "unhexlify"),
        *("FromString", "ParseFromString", "MergeFromString", "b64decode", "urlsafe_b64decode", "convert"),
        *("load_pem_x509_certificate", "load_pem_x509_certificates", "load_der_x509_certificate", "load_pem_x509_csr"),
        *("load_pem_private_key", "load_der_private_key", "load_pem_public_key", "from_encoded_point"),
        *("urlsplit", "parse_qs", "parse_qsl", "fromisoformat", "strptime", "ip_address", "decompress", "DictReader"),
    }
)
"""Calls that read bytes or text of somebody's, whatever they are called on."""
_READERS: Final = (
    "msgspec.json",
    "msgspec.msgpack",
    "json",
    "_DECODER",
    "_READER",
    "_decoder",
    "_PARTS",
    "_WAITING",
    "ast",
    "csv",
    "source",
    "jwt",
)
"""On these, `decode`, `parse`, `load` and `reader` are such calls too."""

_LEDGERS_ANSWERS: Final = "asks a contract of the ledger and reads the answer, whose form is the contract's"
_LEDGERS_STATE: Final = "reads records of the certified state, which the ledger itself has written"
_OWN_FILE: Final = "reads what this process, or another of the same owner's, has written"
_OWN_CODE: Final = "reads sources that are part of this software"
_OWN_MODEL: Final = "reads what its own projector has written, or passes over what it cannot read"
_CHECKED: Final = "reads hex whose form was checked at the door (`tests/gateway/api/test_bad_questions.py`)"
_GIVEN: Final = "reads arguments and results that execution has decoded and encoded before (`function-arguments`)"
_SWALLOWED: Final = "catches what cannot be read in one place, where its own tests send garbage"

OURS: Final = {
    **dict.fromkeys(
        (
            "devices.backtest.trader",
            "devices.community.street",
            "devices.fleet.certifying",
            "devices.fleet.enrolling",
            "devices.gateway_link",
            "devices.house_shell.surroundings",
            "devices.living.kiosk",
            "devices.living.people",
            "devices.living.watching",
            "devices.meter.outbox",
            "gateway.documents.bill",
            "gateway.readmodel.model",
            "gateway.sessions.people",
            "gateway.vending.ledger",
            "ledgernode.audit.asking",
            "ledgernode.cli.chaincode",
            "ledgernode.cli.evidence",
            "ledgernode.cli.output",
            "ledgernode.cli.seating",
        ),
        _LEDGERS_ANSWERS,
    ),
    **dict.fromkeys(
        (
            "ledgernode.audit.books",
            "ledgernode.node.concern",
            "ledgernode.audit.journal",
            "ledgernode.execution.context",
            "ledgernode.execution.ledger_view",
            "ledgernode.execution.replay",
            "ledgernode.execution.system.seating",
            "ledgernode.execution.system.standing",
            "ledgernode.execution.timers",
            "ledgernode.execution.values",
            "ledgernode.identity.records",
            "ledgernode.node.ledger",
            "ledgernode.node.lookups",
            "ledgernode.node.peers",
            "ledgernode.store.chain",
            "ledgernode.store.index",
            "ledgernode.store.past",
            "ledgernode.store.state",
        ),
        _LEDGERS_STATE,
    ),
    **dict.fromkeys(
        (
            "devices.fleet.counting",
            "devices.fleet.crew",
            "devices.fleet.worker",
            "devices.history.registers",
            "devices.living.service",
            "devices.living.visitors",
            "gateway.edge.signer",
            "gateway.outbox.entry",
            "gateway.outbox.store",
            "gateway.vending.remote",
            "gateway.vending.store",
            "ledgernode.bench.load",
            "ledgernode.backup.creating",
            "ledgernode.cli.backup_source",
            "ledgernode.bench.measure",
            "ledgernode.cli.connection",
            "ledgernode.identity.renewal",
            "ledgernode.local.simulated",
            "ledgernode.node.mining",
            "ledgernode.node.shelf",
            "ledgernode.store.pages",
        ),
        _OWN_FILE,
    ),
    "ledgernode.identity.encrypted_key": "opens what our own key files hold, under a passphrase (`key-file`)",
    "ledgernode.node.log_reader": "reads what the client of NATS hands it; the engine decodes messages (`log-message`)",
    "ledgernode.identity.hsm": "reads a point that the operator's own token gives, and refuses another",
    **dict.fromkeys(
        (
            "ledgernode.cli.outline",
            "ledgernode.cli.reach",
            "ledgernode.cli.reference",
        ),
        _OWN_CODE,
    ),
    **dict.fromkeys(
        (
            "gateway.api.billing",
            "gateway.api.newsroom",
            "gateway.api.notices",
            "gateway.readmodel.projector.ledger",
            "gateway.readmodel.zones",
        ),
        _OWN_MODEL,
    ),
    **dict.fromkeys(
        (
            "gateway.api.ledger",
            "gateway.api.proofs",
            "gateway.commands.dispatch",
            "gateway.readmodel.queries.ledger",
            "gateway.readmodel.queries.search",
        ),
        _CHECKED,
    ),
    **dict.fromkeys(
        (
            "ledgernode.execution.outcome",
            "ledgernode.execution.query",
            "ledgernode.testing",
        ),
        _GIVEN,
    ),
    **dict.fromkeys(
        (
            "devices.house_shell.tie",
            "devices.meter.tariffs",
            "gateway.mqtt.client",
        ),
        _SWALLOWED,
    ),
}
"""Modules that read bytes which nobody outside has chosen, and why."""


_NAMED: Final = re.compile(rf"\b({'|'.join(sorted(_READS | {'decode', 'parse', 'load', 'reader'}))})\(")


@cache
def readers() -> dict[str, set[str]]:
    """Modules that read bytes or text, and by which calls."""
    found: dict[str, set[str]] = {}
    for folder, package in _ROOMS.items():
        for path in sorted((_ROOT / folder).rglob("*.py")):
            parts = path.relative_to(_ROOT / folder).with_suffix("").parts
            if _GENERATED in parts or "node_modules" in parts:
                continue
            source = path.read_text(encoding="utf-8")
            calls = set(_calls(ast.parse(source))) if _NAMED.search(source) else set()
            if calls:
                found[".".join((package, *parts)).removesuffix(".__init__")] = calls
    return found


def _calls(tree: ast.Module) -> list[str]:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.unparse(function) for function in called if _reads(function)]


def _reads(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in _READS
    if not isinstance(function, ast.Attribute):
        return False
    if function.attr in _READS:
        return True
    return function.attr in {"decode", "parse", "load", "reader"} and ast.unparse(function.value).endswith(_READERS)


def test_every_module_that_reads_bytes_has_a_row_or_a_reason() -> None:
    rows = {module for target in TABLE for module in target.modules}
    forgotten = {module: sorted(calls) for module, calls in readers().items() if module not in rows | OURS.keys()}
    assert not forgotten, "these read bytes and stand in no row of tests/fuzz/targets, nor among `OURS`"


def test_reasons_are_of_modules_that_there_are() -> None:
    gone = sorted(OURS.keys() - readers().keys())
    assert not gone, "these read nothing any more"
    both = sorted(OURS.keys() & {module for target in TABLE for module in target.modules})
    assert not both, "these have a row"


def test_rows_have_names_of_their_own_and_modules_that_exist() -> None:
    names = [target.name for target in TABLE]
    assert len(set(names)) == len(names)
    for module in {module for target in TABLE for module in target.modules}:
        room, _, rest = module.partition(".")
        folder = _ROOT / next(folder for folder, package in _ROOMS.items() if package == room)
        assert (folder / rest.replace(".", "/")).with_suffix(".py").exists(), module


def test_kept_seeds_are_of_targets_that_there_are() -> None:
    kept = {folder.name for folder in SEEDS.iterdir() if folder.is_dir()}
    assert not kept - {target.name for target in TABLE}
