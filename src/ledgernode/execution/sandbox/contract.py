"""A contract that is ready to be called, and one call of it.

A call makes a fresh instance, runs one function under the transaction's meter and ends in JSON or in one
error of the tree. Whose fault it is decides which: the contract's own refusal, a limit, a fault of its
code; what is wrong with the host (memory, the interpreter's stack) is not caught and never a receipt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Final

import msgspec

from chaincode.api import Refusal
from ledgernode.errors import BudgetExceeded, ContractFault, ContractRefused, LedgerError, UnknownFunction
from ledgernode.execution.sandbox.arguments import NO_DEFAULT, Arguments
from ledgernode.execution.sandbox.meter import CALL_UNITS, BudgetStop, Meter, taking_the_seat
from ledgernode.execution.sandbox.methods import MODULE_MARK
from ledgernode.execution.sandbox.values import plain

REFUSAL_CHARACTERS: Final = 500
DEFAULT_REFUSAL: Final = "REFUSED"

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class FunctionSpec(msgspec.Struct, frozen=True):
    """What the outside may know of one function."""

    name: str
    kind: str
    roles: tuple[str, ...]
    items: str
    doc: str
    argument_names: tuple[str, ...]
    argument_types: tuple[Any, ...]
    result_type: Any
    argument_defaults: tuple[Any, ...] = ()


class LoadedContract:
    """One contract's functions, by name. Holds no state between calls."""

    def __init__(
        self, name: str, version: str, docs: str, make: Callable[[], Any], functions: Sequence[FunctionSpec]
    ) -> None:
        self.name = name
        self.version = version
        self.docs = docs
        self.functions: Mapping[str, FunctionSpec] = MappingProxyType({spec.name: spec for spec in functions})
        self._make = make
        self._arguments = {
            spec.name: Arguments(spec.name, spec.argument_names, spec.argument_types, _defaults(spec))
            for spec in functions
        }

    def call(self, function: str, context: Any, arguments: bytes | Mapping[str, Any], meter: Meter) -> bytes:
        """The result as JSON.

        Refuses with `UnknownFunction`, `BadArguments`, `ContractRefused` (its code in the facts),
        `BudgetExceeded`, `ContractFault`, and with what the context refuses. An exhausted meter ends
        every call as `BudgetExceeded`, whatever the contract's code made of it.
        """
        decoder = self._arguments.get(function)
        if decoder is None:
            raise UnknownFunction(f"{self.name} has no function {function}")
        with taking_the_seat(meter):
            try:
                meter.charge(CALL_UNITS + (len(arguments) >> 4))
                value = getattr(self._make(), function)(context, *decoder.decode(arguments))
                result = _ENCODER.encode(plain(value))
            except (BudgetStop, Exception) as error:  # noqa: BLE001 - whatever a contract does ends as one error
                raise self._ended(error, meter) from _cause(error)
        if meter.exhausted:
            raise _budget_exceeded()
        return result

    def _ended(self, error: BaseException, meter: Meter) -> BaseException:
        """What an error within the call is to those outside."""
        if isinstance(error, (MemoryError, RecursionError)):
            return error
        if isinstance(error, BudgetStop) or meter.exhausted:
            return _budget_exceeded()
        if isinstance(error, LedgerError):
            return error
        if isinstance(error, Refusal):
            return self._refused(error)
        return ContractFault(f"the code of {self.name} failed{_place(error.__traceback__)}")

    def _refused(self, refusal: Refusal) -> ContractRefused:
        code, message = type(refusal).code, getattr(refusal, "message", "")
        code = code if type(code) is str and _CODE.fullmatch(code) else DEFAULT_REFUSAL
        words = message[:REFUSAL_CHARACTERS] if type(message) is str else ""
        return ContractRefused(words, code=f"{self.name}.{code}")


def _defaults(spec: FunctionSpec) -> tuple[Any, ...]:
    return spec.argument_defaults or (NO_DEFAULT,) * len(spec.argument_names)


def _budget_exceeded() -> BudgetExceeded:
    return BudgetExceeded("the call used up its declared execution budget")


def _cause(error: BaseException) -> BaseException | None:
    """The error itself for the node's log; its values are dropped, since showing them could be endless."""
    if isinstance(error, LedgerError):
        return error.__cause__
    if not isinstance(error, (MemoryError, RecursionError)):
        error.args = tuple(part[:REFUSAL_CHARACTERS] for part in error.args if type(part) is str)
        error.__context__ = error.__cause__ = None
    return error


def _place(trace: TracebackType | None) -> str:
    """The innermost line of the contract's own source, where there is one."""
    place = ""
    while trace is not None:
        frame = trace.tb_frame
        if str(frame.f_globals.get("__name__")).startswith(MODULE_MARK):
            file = frame.f_code.co_filename.strip("<>").rpartition("/")[2]
            place = f" at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
