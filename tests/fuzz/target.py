"""One decoder and the judge of what it does with an input.

A decoder either takes its input or refuses it with one of the refusals that its row names. It does so within a time and
a memory that the input's size bounds. What has one encoding and is accepted gives the same bytes when it is encoded
again. Anything else is a fault of ours.
"""

from __future__ import annotations

import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledgernode.errors import LedgerError

SEEDS: Final = Path(__file__).parent / "seeds"
LEAST_S: Final = 0.25
LEAST_BYTES: Final = 8 * 1024 * 1024
"""Of memory: what a first call sets up, and what a call keeps from one to the next."""


class Form(Enum):
    """How inputs are bent: what is between the bytes stays well-formed most of the time."""

    BYTES = auto()
    TEXT = auto()
    JSON = auto()
    MSGPACK = auto()
    PROTOBUF = auto()
    PEM = auto()


class Target(NamedTuple):
    """A row of the table."""

    name: str
    modules: tuple[str, ...]
    """Whose decoding is tried."""
    call: Callable[[bytes], Any]
    refusals: tuple[type[LedgerError], ...]
    seeds: Callable[[], Sequence[bytes]]
    """Inputs that are accepted, or were met in the field."""
    form: Form = Form.BYTES
    again: Callable[[Any], bytes] | None = None
    """Encodes what was read; what has one encoding gives the input again."""
    tag: bytes = b""
    """What stands before the form."""
    memory_per_byte: int = 128
    s_per_byte: float = 30e-6
    silent: bool = False
    """It takes everything: what it cannot use it passes over."""

    def examples(self) -> list[bytes]:
        """Its seeds, and those that were kept of it."""
        return [*self.seeds(), *kept(self.name)]


class Failed(AssertionError):
    """An input that a decoder neither takes nor refuses as it should."""

    def __init__(self, target: Target, raw: bytes, why: str) -> None:
        super().__init__(f"{target.name}: {why}; input of {len(raw)} bytes: {raw[:400]!r}")
        self.raw = raw


def judge(target: Target, raw: bytes) -> bool:
    """Try one input: was it accepted? Raises Failed."""
    begun = time.process_time()
    accepted, found = _called(target, raw)
    allowed = LEAST_S + target.s_per_byte * len(raw)
    if time.process_time() - begun > allowed:
        begun = time.process_time()  # once more: a collection of garbage may have been in it
        _called(target, raw)
        if (spent := time.process_time() - begun) > allowed:
            raise Failed(target, raw, f"it took {spent:.2f} s, {allowed:.2f} are allowed")
    if accepted and target.again is not None and (written := target.again(found)) != raw:
        raise Failed(target, raw, f"what was accepted is written otherwise: {written[:200]!r}")
    return accepted


def weigh(target: Target, raw: bytes) -> None:
    """Try one input for the memory it takes. Raises Failed."""
    tracemalloc.start()
    try:
        _called(target, raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    allowed = LEAST_BYTES + target.memory_per_byte * len(raw)
    if peak > allowed:
        raise Failed(target, raw, f"it took {peak} bytes of memory, {allowed} are allowed")


def _called(target: Target, raw: bytes) -> tuple[bool, Any]:
    try:
        return True, target.call(raw)
    except target.refusals as refusal:
        if not refusal.code.isupper():
            raise Failed(target, raw, f"a refusal without a stable code: {refusal!r}") from refusal
        return False, None
    except Exception as error:
        raise Failed(target, raw, f"{type(error).__name__} instead of a refusal: {str(error)[:200]}") from error


def kept(name: str) -> list[bytes]:
    """Inputs kept under this name, in order."""
    folder = SEEDS / name
    return [file.read_bytes() for file in sorted(folder.iterdir())] if folder.is_dir() else []


# ---------------------------------------------------------------- for rows


def text(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """A decoder of text: bytes that are no UTF-8 arrive as a command line would bring them."""
    return lambda raw: read(raw.decode("utf-8", "surrogateescape"))


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-"))


def file(read: Callable[[Path], Any], name: str = "input") -> Callable[[bytes], Any]:
    """A decoder of a file that is its owner's alone."""

    def call(raw: bytes) -> Any:
        path = _folder() / name
        path.write_bytes(raw)
        path.chmod(0o600)
        return read(path)

    return call


def folder(read: Callable[[Path], Any], name: str) -> Callable[[bytes], Any]:
    """A decoder of a folder in which this file stands."""
    return file(lambda path: read(path.parent), name)


def constant(*seeds: bytes | str) -> Callable[[], Sequence[bytes]]:
    found = [seed.encode() if isinstance(seed, str) else seed for seed in seeds]
    return lambda: found
