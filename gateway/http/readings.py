"""`POST /api/v1/readings`: what devices measure, safe when the answer says so.

A device that signs sends envelopes: one as `application/octet-stream`, several as `application/x-protobuf`
(`gateway.v1.Transactions`) or in JSON. One that cannot sign sends what it shows, and is signed for; its channel in
`gateway.json` is `organisation/name/meter`, as over gRPC.

200 means that every item is on disk. Else the problem says of each item what became of it (`answers`), in order: those
with OK are safe, and sending all of it again does no harm.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from google.protobuf.message import DecodeError
from starlette.responses import Response

from gateway.http.app import JSON, PREFIX, answer, gives, require_media_type, takes
from gateway.http.devices import Caller, Devices
from gateway.http.payloads import ReadingsForm, envelopes_of, observed, read_form, require_items
from gateway.intake.desk import Answer, Desk
from gateway.intake.stream import signers_of
from gateway.v1 import gateway_pb2 as pb
from ledgernode.errors import BadRequest, ReadingInvalid, RoleRefused, by_code
from ledgernode.wire.receipt import OK

OCTETS: Final = "application/octet-stream"
PROTOBUF: Final = "application/x-protobuf"


class AnswerForm(msgspec.Struct, frozen=True):
    """OK, or a code of docs/errors.md."""

    code: str
    message: str = ""
    retry_ms: int = 0


class TakenForm(msgspec.Struct, frozen=True):
    """A code for each item, and what time it is."""

    answers: list[AnswerForm]
    time_ms: int


def router(desk: Desk, devices: Devices) -> APIRouter:
    """The area."""
    area = APIRouter(prefix=PREFIX, tags=["devices"])

    @area.post(
        "/readings",
        openapi_extra=takes(ReadingsForm, also=(OCTETS, PROTOBUF)),
        responses=gives(TakenForm, "All of it is on disk, and reaches the ledger"),
    )
    async def take_readings(request: Request) -> Response:
        """Readings of a meter, signed by it or to be signed for it."""
        media = require_media_type(request, JSON, OCTETS, PROTOBUF)
        caller = await devices.caller(request)
        body = await request.body()
        if media == JSON:
            form = read_form(body)
            if form.readings and form.envelopes:
                raise ReadingInvalid("a request has readings or envelopes")
            if not form.envelopes:
                return _answered(desk, await _measured(desk, caller, form))
            envelopes = envelopes_of(form, desk.limits)
        else:
            envelopes = [body] if media == OCTETS else _messages(body)
            require_items(len(envelopes), desk.limits)
        return _answered(desk, await desk.relay(caller.sender, envelopes, only=_only(caller, envelopes), by="http"))

    return area


async def _measured(desk: Desk, caller: Caller, form: ReadingsForm) -> list[Answer]:
    own = caller.device.meter if caller.device is not None else form.meter
    if not own or (form.meter and form.meter != own):
        raise RoleRefused("a device sends the readings of its own meter")
    return await desk.readings(caller.sender, own, observed(form.readings, desk.now_ms(), desk.limits), by="http")


def _only(caller: Caller, envelopes: list[bytes]) -> frozenset[bytes]:
    """Whose transactions it may bring: its own; a concentrator everybody's."""
    if caller.sender.carries:
        return frozenset()
    if caller.device is not None and caller.device.identity:
        return frozenset((bytes.fromhex(caller.device.identity),))
    return signers_of(frozenset(), envelopes)


def _messages(body: bytes) -> list[bytes]:
    try:
        return list(pb.Transactions.FromString(body).envelopes)
    except DecodeError as error:
        raise BadRequest("the body is no gateway.v1.Transactions") from error


def _answered(desk: Desk, answers: list[Answer]) -> Response:
    told = [AnswerForm(*one) for one in answers]
    first = next((one for one in answers if one.code != OK), None)
    if first is None:
        return answer(TakenForm(told, desk.now_ms()))
    facts: dict[str, Any] = {"answers": msgspec.to_builtins(told)}
    if first.retry_ms:
        facts["retry_ms"] = first.retry_ms
    raise by_code(first.code)(first.message, **facts)
