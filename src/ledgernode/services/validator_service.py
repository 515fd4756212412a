"""`ValidatorService`: what other validators push, and how far this node is.

Who sends is known by mutual TLS and by an introduction: the key of a member of the ledger's set has signed for the
TLS certificate of this very connection. Everything else ends the stream.
"""

# ruff: noqa: N802  # the schema names the calls, and what each is given

from __future__ import annotations

from collections.abc import AsyncIterator

from ledgernode.config import RETRY_ADVICE_MS
from ledgernode.errors import RateLimited, RoleRefused
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.access import VALIDATORS
from ledgernode.services.caller import Context
from ledgernode.services.calls import Service, streaming, unary
from ledgernode.v1 import validator_pb2 as pb
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceServicer
from ledgernode.wire import protobuf
from ledgernode.wire.frames import Introduction
from ledgernode.wire.protocol import named


class ValidatorService(Service, ValidatorServiceServicer):
    """For validators of the ledgers that this node serves."""

    def require_spoken(self, context: Context) -> None:
        """Validators meet when they introduce themselves: so each learns which of the others it is."""

    @streaming(VALIDATORS)
    async def Exchange(
        self, requests: AsyncIterator[pb.ExchangeRequest], context: Context
    ) -> AsyncIterator[pb.ExchangeResponse]:
        first = await anext(requests, None)
        if first is None:
            return
        introduction = protobuf.read_introduction(first.introduction)
        ledger = self._introduced(introduction, context)
        key = introduction.public_key
        spoken = named(introduction.protocol_oldest, introduction.protocol_newest)
        protocol = ledger.meet(key, spoken)
        yield pb.ExchangeResponse(taken=True, protocol=protocol)
        async for request in requests:
            ledger.require_running()
            if not ledger.endorsement.includes(key):
                raise RoleRefused("this key is in the validator set no more")
            if not ledger.intake.may_send(key):
                raise RateLimited("too many forwarded transactions did not hold", retry_ms=RETRY_ADVICE_MS)
            for message in request.frames:
                frame = protobuf.read_frame(message)
                if frame is not None:
                    ledger.heard(key, frame)
            await ledger.driver.room()

    @unary(VALIDATORS)
    async def GetHeight(self, request: pb.GetHeightRequest, context: Context) -> pb.GetHeightResponse:
        ledger = self.ledger(request.ledger, context)
        return pb.GetHeightResponse(height=ledger.driver.executed, time_ms=ledger.clock_ms())

    def _introduced(self, introduction: Introduction, context: Context) -> ServedLedger:
        """Refuses who is no validator of this ledger, and whoever shows another's introduction."""
        peer = self.callers.require_member(context)
        ledger = self.ledger(introduction.ledger, context)
        if not ledger.knows(introduction, self.callers.certificate(context)):
            raise RoleRefused(f"{peer.name} of {peer.organisation} is no validator of {introduction.ledger} here")
        return ledger
