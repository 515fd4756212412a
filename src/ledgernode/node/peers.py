"""The other validators of a ledger: links to those of the epoch under way and of the one before.

The last blocks of an epoch are certified by its own set while the next one orders already, so links to
members who leave are kept for one more epoch.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import grpc

from ledgernode.config import (
    FRONTIER_ASK_MS,
    GOSSIP_BATCH,
    GOSSIP_BYTES,
    GOSSIP_LINGER_MS,
    HAND_ON_MS,
    HANDED_ON_CALLS,
)
from ledgernode.consensus.engine import Send
from ledgernode.identity.keys import verify
from ledgernode.identity.records import ValidatorRecord
from ledgernode.identity.signing import SigningKey
from ledgernode.identity.tls import LedgerTrust, TlsFiles, Trust
from ledgernode.node.endorsement import position_of
from ledgernode.node.links import Link
from ledgernode.v1 import validator_pb2 as pb
from ledgernode.v1.ledger_pb2 import SubmitManyRequest
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceStub
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceStub
from ledgernode.wire.answers import Wait
from ledgernode.wire.frames import CertificateFrame, EngineFrame, Forwarded, HeaderVote, Introduction, Standing
from ledgernode.wire.protobuf import number, packed
from ledgernode.wire.protocol import ours
from ledgernode.wire.types import ChainId, Height, sha256
from ledgernode.wire.validators import Certificate, ValidatorSet, encode_certificate

_TAG: Final = b"ledgernode/link/1\x00"
_END: Final = "-----END CERTIFICATE-----"


def introduction_bytes(chain_id: ChainId, certificate_pem: str) -> bytes:
    """What a validator's key signs for the TLS certificate of its node: the first of these."""
    leaf = certificate_pem[: certificate_pem.index(_END) + len(_END)]
    return _TAG + chain_id + sha256(ssl.PEM_cert_to_DER_cert(leaf))


def introduce(ledger: str, chain_id: ChainId, key: SigningKey, tls: TlsFiles) -> Introduction:
    """This node, as its peers are to know it."""
    signature = key.sign(introduction_bytes(chain_id, tls.certificate))
    return Introduction(ledger, key.public_key, signature, *ours())


def introduction_holds(introduction: Introduction, chain_id: ChainId, certificate_pem: str) -> bool:
    """Has the validator's key signed for the certificate of this connection?"""
    return verify(introduction.public_key, introduction_bytes(chain_id, certificate_pem), introduction.signature)


class Peers:
    """Links by public key. Made inside the event loop that runs them."""

    def __init__(
        self,
        *,
        ledger: str,
        chain_id: ChainId,
        key: SigningKey,
        tls: Trust,
        members: Callable[[], Iterable[ValidatorRecord]],
        standing: Callable[[], Standing],
        log: Any,
    ) -> None:
        self.own_key = key.public_key
        self._ledger = ledger
        self._introduce = partial(introduce, ledger, chain_id, key)
        self._trust = LedgerTrust(tls, ledger)
        self._members = members
        self._standing = standing
        self._log = log
        self._set: ValidatorSet | None = None
        self._links: dict[bytes, Link] = {}
        self._leaving: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0
        self._gathered: list[bytes] = []
        self._linger: asyncio.TimerHandle | None = None

    @property
    def links(self) -> dict[bytes, Link]:
        return self._links

    def begin(self, validators: ValidatorSet) -> None:
        """Positions are those of this set from now on; its members are dialled."""
        self._set = validators
        addresses = {bytes.fromhex(member.public_key): member.endpoint for member in self._members()}
        addresses.pop(self.own_key, None)
        for gone in [key for key in self._links if key in self._leaving and key not in addresses]:
            self._drop(gone)
        self._leaving = {key for key in self._links if key not in addresses}
        for key, address in addresses.items():
            known = self._links.get(key)
            if known is not None and known.address != address:
                self._drop(key)
            if key not in self._links:
                self._links[key] = Link(address, self._trust, self._introduce, self._standing, self._log)

    def send(self, sends: Sequence[Send]) -> None:
        """To the members at these positions, or to all of them."""
        assert self._set is not None, "an epoch has begun before its engine speaks"
        members = self._set.members
        for send in sends:
            frame = packed(EngineFrame(self._set.epoch, send.message))
            for position in send.receivers or range(len(members)):
                link = self._links.get(members[position].public_key)
                if link is not None:
                    link.order(frame)

    def vote(self, vote: HeaderVote) -> None:
        self._tell_all(packed(vote))

    def give(self, public_key: bytes, height: Height, certificate: Certificate) -> None:
        link = self._links.get(public_key)
        if link is not None:
            link.tell(packed(CertificateFrame(height, encode_certificate(certificate))))

    def stand(self) -> None:
        """Tell everyone how far we are."""
        self._tell_all(packed(self._standing()))

    def _tell_all(self, frame: bytes) -> None:
        for link in self._links.values():
            link.tell(frame)

    def forward(self, envelopes: list[bytes]) -> None:
        """What our own clients brought, to everyone who may order it; a few of them wait a moment for others.

        Who only observes is no member and pushes nothing: it hands them on to one member, as a client does.
        """
        if self._set is not None and position_of(self._set, self.own_key) is None:
            if self._links and len(self._tasks) < HANDED_ON_CALLS:
                self._keep(self._hand_on(envelopes))
            return
        self._gathered += envelopes
        if len(self._gathered) >= GOSSIP_BATCH:
            self._hand_out()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(GOSSIP_LINGER_MS / 1_000, self._hand_out)

    def _hand_out(self) -> None:
        self._stop_lingering()
        gathered, self._gathered = self._gathered, []
        for batch in _batches(gathered):
            frame = packed(Forwarded(batch))
            for link in self._links.values():
                link.forward(frame, len(batch))

    def _stop_lingering(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    async def height_of(self, public_key: bytes) -> Height | None:
        """How far a member has executed, by its own word; None when it does not answer."""
        # one that has just come back is still being dialled: it is worth waiting for
        answer = await self._standing_of(public_key, wait=True)
        return None if answer is None else Height(answer.height)

    async def time_of(self, public_key: bytes) -> int | None:
        """What a member's clock shows; None when it does not answer now."""
        answer = await self._standing_of(public_key, wait=False)
        return None if answer is None else int(answer.time_ms)

    async def _standing_of(self, public_key: bytes, *, wait: bool) -> pb.GetHeightResponse | None:
        link = self._links.get(public_key)
        if link is None:
            return None
        stub: Any = ValidatorServiceStub(link.channel)
        request = pb.GetHeightRequest(ledger=self._ledger)
        try:
            answer: pb.GetHeightResponse = await stub.GetHeight(
                request, timeout=FRONTIER_ASK_MS / 1_000, wait_for_ready=wait
            )
        except grpc.aio.AioRpcError:
            return None
        return answer

    async def close(self) -> None:
        self._stop_lingering()
        links, self._links = self._links, {}
        await asyncio.gather(*(link.close() for link in links.values()), *self._tasks)

    async def _hand_on(self, envelopes: list[bytes]) -> None:
        """To one member, another each time; what fails is sent again by its client."""
        links = list(self._links.values())
        self._turn += 1
        stub: Any = LedgerServiceStub(links[self._turn % len(links)].channel)
        call = stub.SubmitMany(timeout=HAND_ON_MS / 1_000)
        try:
            await call.write(SubmitManyRequest(ledger=self._ledger, transactions=envelopes, wait=number(Wait.ADMITTED)))
            await call.done_writing()
            while await call.read() is not grpc.aio.EOF:
                pass
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            self._log.debug("transactions were not handed on", reason=str(error)[:200])
        finally:
            call.cancel()

    def _drop(self, key: bytes) -> None:
        self._keep(self._links.pop(key).close())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _batches(envelopes: Sequence[bytes]) -> Iterator[tuple[bytes, ...]]:
    """In their order, each of a bounded number and, but for one that is larger alone, of bounded size."""
    batch: list[bytes] = []
    size_bytes = 0
    for envelope in envelopes:
        if batch and (len(batch) == GOSSIP_BATCH or size_bytes + len(envelope) > GOSSIP_BYTES):
            yield tuple(batch)
            batch, size_bytes = [], 0
        batch.append(envelope)
        size_bytes += len(envelope)
    if batch:
        yield tuple(batch)
