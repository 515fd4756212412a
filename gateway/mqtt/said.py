"""A device's message, read: what it says, or why it is refused at sight. Garbage is refused, and no more happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from google.protobuf.message import DecodeError

from gateway.limits import Limits
from gateway.mqtt.topics import Kind
from gateway.v1 import gateway_pb2 as pb
from ledgernode.errors import BadRequest

Said: TypeAlias = pb.Hello | pb.Transactions | pb.Readings | pb.Question | pb.CommandReceived

_FORMS: Final[Mapping[Kind, type[Said]]] = {
    Kind.HELLO: pb.Hello,
    Kind.TRANSACTIONS: pb.Transactions,
    Kind.READINGS: pb.Readings,
    Kind.QUESTIONS: pb.Question,
    Kind.RECEIVED: pb.CommandReceived,
}
_DEVICE_BYTES: Final = 32
QUESTION_BYTES: Final = 4_096


def read_said(kind: Kind, payload: bytes, limits: Limits, *, carries: bool = False) -> Said:
    """What was said. Raises BadRequest where it cannot be read, says nothing, or says too much."""
    if len(payload) > limits.message_bytes:
        raise BadRequest(f"a message has at most {limits.message_bytes} bytes")
    try:
        said = _FORMS[kind].FromString(payload)
    except DecodeError as error:
        raise BadRequest(f"the payload is no message of kind {kind.value}") from error
    if isinstance(said, pb.Hello):
        allowed = limits.devices_of_stream if carries else 1
        if len(said.devices) > allowed or any(len(one) != _DEVICE_BYTES for one in said.devices):
            raise BadRequest(f"a hello names at most {allowed} devices, by ids of {_DEVICE_BYTES} bytes")
    elif isinstance(said, pb.Transactions):
        _require_items(len(said.envelopes), limits)
    elif isinstance(said, pb.Readings):
        _require_items(len(said.readings), limits)
    elif isinstance(said, pb.Question) and not 0 < len(said.query) <= QUESTION_BYTES:
        raise BadRequest(f"a question has 1 to {QUESTION_BYTES} bytes")
    return said


def _require_items(count: int, limits: Limits) -> None:
    if not 0 < count <= limits.message_items:
        raise BadRequest(f"a message has 1 to {limits.message_items} items")
