"""Garbage on every call of a running node: it stays up, answers others meanwhile, and grows within a bound."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass

from ledgernode.client import Ledger
from tests.fuzz.mutate import mutant
from tests.fuzz.target import Form, Target
from tests.running import NodeProcess, Person
from tests.services.document import Row, rows

pytestmark = pytest.mark.slow

GROWTH_BYTES = 256 * 1024 * 1024
OTHERS_S = 20
_CALL_S = 5
_LARGE = 3 * 1024 * 1024


def resident_bytes(node: NodeProcess) -> int:
    pages = Path(f"/proc/{node.process.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def garbage(row: Row, random: Random) -> Iterator[bytes]:
    """For one call: bytes, what looks like its request, and fields that are long or huge."""
    form = GetMessageClass(row.call.input_type)
    seeds = [form().SerializeToString()]
    for field in row.call.input_type.fields:
        filled = form()
        if field.type == field.TYPE_STRING and not field.is_repeated:
            setattr(filled, field.name, "test")
        elif field.type == field.TYPE_BYTES and not field.is_repeated:
            setattr(filled, field.name, random.randbytes(32))
        elif field.cpp_type == field.CPPTYPE_UINT64 and not field.is_repeated:
            setattr(filled, field.name, (1 << 64) - 1)
        seeds.append(filled.SerializeToString())
    target = Target("call", (), bytes, (), lambda: seeds, Form.PROTOBUF)
    yield from (random.randbytes(size) for size in (1, 20, 400))
    yield from (mutant(target, seeds, random) for _ in range(8))
    yield (
        b"\x0a\x04test" + b"\x12" + bytes((0x80 | _LARGE & 0x7F, 0x80 | _LARGE >> 7 & 0x7F, 0x80 | _LARGE >> 14 & 0x7F))
    )
    yield b"\x0a\x04test\x12\x80\x80\xc0\x01" + bytes(_LARGE)


def thrown(channel: grpc.Channel, row: Row, raw: bytes) -> grpc.StatusCode:
    """What came of it; a stream is left after its first answer, or in the middle of its question."""
    path = f"/{row.call.containing_service.full_name}/{row.call.name}"
    try:
        match row.call.client_streaming, row.call.server_streaming:
            case False, False:
                channel.unary_unary(path)(raw, timeout=_CALL_S)
            case False, True:
                next(call := channel.unary_stream(path)(raw, timeout=_CALL_S), None)
                call.cancel()
            case _:
                held = threading.Event()

                def half() -> Iterator[bytes]:
                    yield raw
                    held.wait(0.2)

                call = channel.stream_stream(path)(half(), timeout=_CALL_S)
                next(call, None)
                held.set()
                call.cancel()
    except grpc.RpcError as error:
        found: grpc.StatusCode = error.code()  # type: ignore[attr-defined]
        return found
    return grpc.StatusCode.OK


def test_a_node_stays_up_and_answers_others_while_it_gets_garbage(
    node: NodeProcess, ledger: Ledger, anna: Person
) -> None:
    random, before = Random(7), resident_bytes(node)
    over, slowest = threading.Event(), [0.0]

    def others() -> None:
        while not over.is_set():
            begun = time.monotonic()
            ledger.facts()
            slowest[0] = max(slowest[0], time.monotonic() - begun)
            over.wait(0.05)

    asking = threading.Thread(target=others)
    asking.start()
    found: dict[str, set[grpc.StatusCode]] = {}
    try:
        for person in (node.network.admin, anna):
            with grpc.secure_channel(node.endpoint, person.credentials) as channel:
                for row in rows():
                    for raw in garbage(row, random):
                        found.setdefault(row.call.name, set()).add(thrown(channel, row, raw))
    finally:
        over.set()
        asking.join()
    ours = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL}
    assert not {name: codes & ours for name, codes in found.items() if codes & ours}, "the callers' fault, and told so"
    assert slowest[0] < OTHERS_S, "others were answered meanwhile"
    assert resident_bytes(node) - before < GROWTH_BYTES
    log = node.log.read_text()
    assert "Traceback" not in log
    assert "call failed inside" not in log
