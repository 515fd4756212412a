"""Contract timers: who asked to be called, when, and how often it failed.

    _timer  NUL due NUL <due ms, 16 hex> NUL <contract> NUL <timer> NUL   function, arguments, attempt
    _timer  NUL name NUL <contract> NUL <timer> NUL                       due ms, so that a name finds its timer

Due timers run first in a block, by (due time, contract, name): the order of their keys. A call that
succeeds removes its timer; one that fails leaves it with one attempt more, until the ledger's limit is
reached and the timer is dropped with a `TimerAbandoned` event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ledgernode.errors import BadTimer
from ledgernode.execution.overlay import TransactionOverlay
from ledgernode.execution.values import Charge, encode_value
from ledgernode.store.state import StateView, value_of
from ledgernode.wire.keys import composite_key, simple_key, split_composite, split_state_key, state_key
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import ChainId, Height, TimeMs, TransactionId, sha256

NAMESPACE: Final = "_timer"
TIMER_TAG: Final = b"ledgernode/timer/1\x00"
TIMER_ROLE: Final = "timer"
ABANDONED: Final = "TimerAbandoned"
HORIZON_MS: Final = 10 * 366 * 86_400_000
"""A timer is due within ten years."""

_DUE: Final = "due"
_NAME: Final = "name"


class Timer(msgspec.Struct, frozen=True):
    """One call that is asked for. `attempt` counts from 1."""

    due_ms: int
    contract: str
    name: str
    function: str
    arguments: dict[str, Any]
    attempt: int = 1

    def id(self, chain_id: ChainId, height: Height) -> TransactionId:
        """The id of this attempt in this block, as unique as a transaction's."""
        name, contract = self.name.encode(), self.contract.encode("ascii")
        return TransactionId(
            sha256(
                b"".join(
                    (
                        TIMER_TAG,
                        chain_id,
                        height.to_bytes(8, "big"),
                        self.due_ms.to_bytes(8, "big"),
                        self.attempt.to_bytes(4, "big"),
                        bytes((len(contract),)),
                        contract,
                        name,
                    )
                )
            )
        )


class _Waiting(msgspec.Struct, frozen=True, array_like=True):
    """What is stored of a timer beside its key."""

    function: str
    arguments: dict[str, Any]
    attempt: int


_WAITING: Final = msgspec.msgpack.Decoder(_Waiting)


def schedule(state: TransactionOverlay, timer: Timer, time_ms: int, limits: Parameters, charge: Charge) -> None:
    """Keep a timer, in place of one of the same contract and name. Refuses one due in the past or too far."""
    simple_key(timer.name, limits.key_bytes)
    if type(timer.due_ms) is not int or not time_ms <= timer.due_ms <= time_ms + HORIZON_MS:
        raise BadTimer(f"a timer is due between block time ({time_ms} ms) and ten years later")
    waiting = encode_value(_Waiting(timer.function, timer.arguments, timer.attempt), limits, charge)
    cancel(state, timer.contract, timer.name)
    state.put(due_state(timer.due_ms, timer.contract, timer.name), waiting)
    state.put(name_state(timer.contract, timer.name), encode_value(timer.due_ms, limits))


def cancel(state: TransactionOverlay, contract: str, name: str) -> bool:
    """Forget a timer; False where there is none."""
    stored = state.get(name_state(contract, name))
    if stored is None:
        return False
    due_ms = msgspec.msgpack.decode(value_of(stored), type=int)
    state.delete(due_state(due_ms, contract, name))
    state.delete(name_state(contract, name))
    return True


def retry(state: TransactionOverlay, timer: Timer, limits: Parameters) -> bool:
    """After a failure: keep it for one more attempt in a later block, or drop it (False) at the limit."""
    if timer.attempt >= limits.timer_attempts:
        cancel(state, timer.contract, timer.name)
        return False
    waiting = _Waiting(timer.function, timer.arguments, timer.attempt + 1)
    state.put(due_state(timer.due_ms, timer.contract, timer.name), encode_value(waiting, limits))
    return True


def due(view: StateView, time_ms: int) -> Iterator[Timer]:
    """The timers due at this block time, in the order they run."""
    for key, stored in view.scan(_DUE_SPAN[0], state_key(NAMESPACE, composite_key(_DUE, f"{time_ms + 1:016x}"))):
        yield _read(key, stored)


def current(view: StateView, timer: Timer) -> Timer | None:
    """The timer as it stands now; None when something cancelled or moved it since it was found due."""
    key = due_state(timer.due_ms, timer.contract, timer.name)
    stored = view.get(key)
    return None if stored is None else _read(key, stored)


def next_due_ms(view: StateView) -> TimeMs | None:
    """When the earliest timer is due: whoever makes blocks makes one then, though no transaction waits."""
    first = next(view.scan(*_DUE_SPAN), None)
    return None if first is None else TimeMs(_read(*first).due_ms)


def due_state(due_ms: int, contract: str, name: str) -> bytes:
    return state_key(NAMESPACE, composite_key(_DUE, f"{due_ms:016x}", contract, name))


def name_state(contract: str, name: str) -> bytes:
    return state_key(NAMESPACE, composite_key(_NAME, contract, name))


def _read(key: bytes, stored: bytes) -> Timer:
    _, due_hex, contract, name = split_composite(split_state_key(key)[1])
    waiting = _WAITING.decode(value_of(stored))
    return Timer(int(due_hex, 16), contract, name, waiting.function, waiting.arguments, waiting.attempt)


_DUE_SPAN: Final = (
    state_key(NAMESPACE, composite_key(_DUE)),
    state_key(NAMESPACE, composite_key(_DUE, "g")),
)
