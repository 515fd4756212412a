"""How a command says that it failed: one line of what, one of what to do, and an exit code of the kind.

    0    done
    1    an error without a kind
    2-10 the kinds of `ledgernode.errors`, in their order (2 is also a mistyped command line)
    130  interrupted

Text goes to standard error. With ``--json`` it is ``{"error": {"code", "message", "facts"}}``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Final

import click

from ledgernode.errors import Broken, ContractRefused, Invalid, LedgerError

DEBUG_VARIABLE: Final = "LEDGERNODE_DEBUG"
INTERRUPTED: Final = 130

_HINTS: Final = {
    "NODE_UNREACHABLE": "is the node running? start it with `ledgernode node run HOME`, or name another --endpoint",
    "NODE_STOPPING": "the node is shutting down: try again in a moment, or name another --endpoint",
    "NETWORK_NOT_FOUND": "name it with --network DIR or LEDGERNODE_NETWORK; `ledgernode network init` founds one",
    "LEDGER_UNKNOWN": "`ledgernode node status` lists the ledgers of the node",
    "SIGNER_UNKNOWN": "register the identity with `ledgernode identity register`, or sign with another (--as)",
    "SIGNER_EXPIRED": "give the identity a new key with `ledgernode identity rotate`",
    "SIGNER_SUSPENDED": "an admin of its organisation can end this with `ledgernode identity resume`",
    "ROLE_REFUSED": "sign with an identity of a permitted role (--as ORGANISATION/NAME)",
    "CONTRACT_UNKNOWN": "`ledgernode chaincode list` shows what is committed",
    "FUNCTION_UNKNOWN": "`ledgernode chaincode show NAME` lists the functions",
    "FUNCTION_KIND": "transactions go through `ledgernode tx submit`, questions through `ledgernode query`",
    "BOOK_INVALID": "docs/markets.md says what a book holds",
    "ARGUMENTS_INVALID": "`ledgernode chaincode show NAME` lists the arguments and their types",
    "BUDGET_EXCEEDED": "declare more with --budget, or make the call smaller",
    "CHAINCODE_REFUSED": "`ledgernode chaincode check FILE` explains each finding; docs/chaincode.md has the rules",
    "APPROVALS_MISSING": "further organisations must approve first",
    "PACKAGE_UNKNOWN": "install it first with `ledgernode chaincode install FILE`",
    "IDENTITY_UNKNOWN": "`ledgernode identity list` shows who is registered",
    "FAULT_UNKNOWN": "`ledgernode evidence list` shows what is recorded",
    "PROPOSAL_UNKNOWN": "`ledgernode governance list` shows the open proposals",
    "PRUNED": "name a node that keeps it with --endpoint; a state of the past is readable for the newest heights only",
    "PRUNE_REFUSED": "`ledgernode snapshot create` makes the snapshot that is missing, if one is",
    "UPGRADE_NEEDED": "install the newer version and start the node again; docs/release.md says how",
    "PROTOCOL_UNSUPPORTED": "the message says which side to upgrade; docs/release.md says how",
    "COMMIT_UNKNOWN": "ask again with `ledgernode tx show ID`; submitting the same bytes again is safe",
    "MEMPOOL_FULL": "the node has as much waiting work as it may hold: try again shortly",
    "RATE_LIMITED": "send more slowly",
    "DATABASE_IN_USE": "another process has it open: stop that node first",
    "DATABASE_FOREIGN": "this data belongs to another ledger: check the node's home",
    "DATABASE_DAMAGED": "keep a copy of the data, then restore from a snapshot or another node",
    "BACKUP_INVALID": "keep it for examination, begin another folder, and restore from another backup or node",
    "BACKUP_FOREIGN": "name another folder: a backup goes on with one history of one ledger",
    "BACKUP_IN_USE": "wait until the other one has ended",
    "BACKUP_UNKNOWN": "`ledgernode backup list FOLDER` says what is there",
    "DISK_FULL": "free some space: nothing was written and nothing is lost",
    "PASSPHRASE_WRONG": "a passphrase that is lost cannot be found again: give the identity a new key",
    "HSM_UNAVAILABLE": "is the token there, and its module installed? docs/keys.md",
    "HSM_KEY_AMBIGUOUS": "add id= to the name of the key",
    "KEY_FILE_UNSAFE": "a key belongs to its owner alone: chmod 600 the file",
    "AUDIT_FAILED": "`ledgernode verify` says whether the contracts made it so, or this copy was altered",
    "CHAIN_INVALID": "do not trust this copy: keep it for examination and restore from another node",
}


def hint(code: str) -> str:
    """What to do about an error; empty where its message says it all."""
    return _HINTS.get(code, "")


def report(error: Exception, *, as_json: bool) -> int:
    """Print the failure on standard error; the exit code that belongs to it."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort) or _on_the_way_out(error):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    if isinstance(error, click.UsageError) and not as_json:
        error.show()
        return error.exit_code
    known = _as_ledger_error(error)
    code = str(known.facts.get("code") or known.code) if isinstance(known, ContractRefused) else known.code
    if as_json:
        facts = {name: _plain(value) for name, value in sorted(known.facts.items())}
        click.echo(json.dumps({"error": {"code": code, "message": str(known), "facts": facts}}), err=True)
    else:
        click.echo(f"{click.style('error', fg='red', bold=True)} {code}: {known}", err=True)
        if "transaction_id" in known.facts:
            click.echo(f"  transaction {known.facts['transaction_id']}", err=True)
        if advice := hint(code):
            click.echo(f"  {advice}", err=True)
    return known.exit_code


def wants_traceback(arguments: Sequence[str]) -> bool:
    """Whether a developer asked to see where it failed."""
    return "--debug" in arguments or os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def _on_the_way_out(error: BaseException) -> bool:
    """Whether it failed while an interrupt was ending the command: then the interrupt is what happened."""
    before = error.__context__
    return before is not None and (isinstance(before, KeyboardInterrupt) or _on_the_way_out(before))


def _as_ledger_error(error: Exception) -> LedgerError:
    if isinstance(error, LedgerError):
        return error
    if isinstance(error, click.ClickException):
        return Invalid(error.format_message())
    if isinstance(error, OSError) and error.filename is not None:
        return Invalid(f"{error.filename}: {error.strerror}")
    return Broken(f"{type(error).__name__}: {error} (run `ledgernode --debug …` to see where)")


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if isinstance(value, str | int | bool | None) else str(value)
