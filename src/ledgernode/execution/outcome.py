"""One call from the outside, and what became of it: a result, or a refusal with a stable code.

A refusal is an outcome like any other; the state keeps nothing of it. What is broken on our own side
(store, disk, memory) is no outcome: it is raised, and stops the node.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec

from ledgernode.errors import Broken, BudgetExceeded, ContractFault, ContractRefused, LedgerError, ValueTooLarge
from ledgernode.execution import costs
from ledgernode.execution.context import CallContext
from ledgernode.execution.contracts import TRANSACTION, callable_function
from ledgernode.execution.sandbox.loader import FunctionSpec
from ledgernode.execution.sandbox.meter import BudgetStop
from ledgernode.execution.scope import Scope
from ledgernode.wire import merkle
from ledgernode.wire.receipt import OK, Event, Origin, Receipt
from ledgernode.wire.roots import item_leaves
from ledgernode.wire.types import TransactionId

MESSAGE_CHARACTERS: Final = 500
"""Of a refusal's words: part of the execution version."""

_log = logging.getLogger(__name__)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result of a call that took effect, with the leaves of its signed batch."""

    result: bytes
    items: tuple[bytes, ...]


def perform(scope: Scope, contract: str, function: str, kind: str, arguments: bytes | dict[str, Any]) -> Outcome:
    """Call a contract's function. Raises the refusal when it has none; nothing it wrote may then be kept."""
    limits = scope.block.limits
    try:
        code = scope.block.contract(contract)
        spec = callable_function(code, function, (kind,), scope.signer.role)
        context = CallContext(scope, contract, code, writes=kind == TRANSACTION)
        result = code.call(function, context, arguments, scope.meter)
        scope.charge(len(result) // costs.RECEIPT_BYTES_PER_UNIT)
        items = batch_items(spec, arguments, scope) if spec.items else ()
    except BudgetStop as stop:
        raise _verdict(scope) or BudgetExceeded("the call used up its declared execution budget") from stop
    except LedgerError as refusal:
        raise _verdict(scope) or refusal from refusal.__cause__
    if (failure := _verdict(scope)) is not None:
        raise failure
    if len(result) > limits.result_bytes:
        raise ValueTooLarge(f"a result has at most {limits.result_bytes} bytes, this one {len(result)}")
    return Outcome(result, items)


def _verdict(scope: Scope) -> Exception | None:
    """What decides whatever the contract made of it: a failure of our own side, or of an inner call."""
    return scope.state.failure or scope.failure


def batch_items(spec: FunctionSpec, arguments: bytes | dict[str, Any], scope: Scope) -> tuple[bytes, ...]:
    """The elements of a signed batch, the leaves of its Merkle tree."""
    decoded = msgspec.json.decode(arguments) if isinstance(arguments, bytes) else arguments
    batch = decoded.get(spec.items)
    if not isinstance(batch, list):
        return ()
    scope.charge(costs.BATCH_ITEM * len(batch))
    return item_leaves(batch)


def receipt_of_success(id: TransactionId, origin: Origin, outcome: Outcome, scope: Scope) -> Receipt:
    items = outcome.items
    return Receipt(
        id,
        origin,
        OK,
        "",
        outcome.result,
        tuple(scope.events),
        scope.meter.used,
        merkle.root(items) if items else b"",
        len(items),
    )


def receipt_of_refusal(
    id: TransactionId, origin: Origin, refusal: LedgerError, budget_used: int = 0, events: tuple[Event, ...] = ()
) -> Receipt:
    """Raises the refusal again where it is our own side that is broken."""
    if isinstance(refusal, Broken):
        raise refusal
    if isinstance(refusal, ContractFault):
        _log.info("contract fault in %s: %s", id.hex(), refusal, exc_info=refusal.__cause__)
    return Receipt(id, origin, refusal_code(refusal), _words(str(refusal)), b"", events, budget_used)


def refusal_code(refusal: LedgerError) -> str:
    """A contract's refusal carries its own code beside the contract's name."""
    if isinstance(refusal, ContractRefused):
        return str(refusal.facts.get("code", refusal.code))
    return refusal.code


def _words(message: str) -> str:
    """Bounded, and text that every reader can decode."""
    return message[:MESSAGE_CHARACTERS].encode("utf-8", "replace").decode()
