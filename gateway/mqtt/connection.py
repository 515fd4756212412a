"""One connection to a broker: paho's protocol, driven by the event loop.

paho itself and not aiomqtt, because a message is acknowledged by us when it is on disk (`manual_ack`), which aiomqtt
does not let through: it acknowledges what it has put into its queue. One connection is one paho client; what was under
way when it ended is the broker's to send again.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ledgernode.errors import BadRequest, NodeUnreachable, UnknownSigner

_MISC_S: Final = 1.0
_CLOSE_S: Final = 2.0
_IN_FLIGHT: Final = 20
"""Of ours, without the broker's acknowledgement: what brokers commonly allow."""
_NOT_ALLOWED: Final = (134, 135, 138, 140, 4, 5)
"""Reasons of both versions: wrong name or password, no right, banned, wrong method."""
VERSIONS: Final = {"5": MQTTv5, "3.1.1": MQTTv311}


class Message(msgspec.Struct, frozen=True):
    """What came, and what it asks for."""

    topic: str
    payload: bytes
    number: int
    """0 where no acknowledgement is wanted."""
    retained: bool = False
    response_topic: str = ""
    correlation: bytes = b""
    properties: tuple[tuple[str, str], ...] = ()


class Will(msgspec.Struct, frozen=True):
    """What the broker says for us when we are gone without goodbye; retained."""

    topic: str
    payload: bytes


class Access(msgspec.Struct, frozen=True):
    """Where the broker is, and as whom we come. Its printed form shows no password."""

    host: str
    port: int
    client: str
    tls: ssl.SSLContext | None
    username: str = ""
    password: str = ""
    version: str = "5"
    session_s: int = 0
    """So long the broker keeps our session; 0: none."""
    keepalive_s: int = 30
    connect_ms: int = 10_000
    receive: int = 100
    message_bytes: int = 1024 * 1024
    outgoing: int = 10_000
    will: Will | None = None

    def __repr__(self) -> str:
        return f"Access({self.client} at {self.host}:{self.port})"


Took = Callable[[Message], None]


class Connection:
    """Open from `open` on until `ended` is done."""

    def __init__(self, access: Access, took: Took) -> None:
        self._access = access
        self._took = took
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._welcomed: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        """Why it ended."""
        self.session_present = False
        self.shares = False
        """Does the broker share a subscription among several?"""
        self._subscribed: dict[int, asyncio.Future[list[int]]] = {}
        self._published: dict[int, asyncio.Future[int]] = {}
        self._misc: asyncio.Task[None] | None = None
        self._five = access.version == "5"
        self._client = self._new_client()

    def _new_client(self) -> Client:
        access = self._access
        lasting = access.session_s > 0
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=access.client,
            protocol=VERSIONS[access.version],
            clean_session=None if self._five else not lasting,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = access.connect_ms / 1_000
        client.max_inflight_messages = _IN_FLIGHT
        client.max_queued_messages = access.outgoing
        if access.username:
            client.username_pw_set(access.username, access.password)
        if access.tls is not None:
            client.tls_set_context(access.tls)
        if access.will is not None:
            client.will_set(access.will.topic, access.will.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write
        return client

    # ------------------------------------------------------------ its life

    async def open(self) -> None:
        """Connect. Raises UnknownSigner where the broker does not let us in, NodeUnreachable where it is not there."""
        access = self._access
        options: dict[str, Any] = {"keepalive": access.keepalive_s}
        if self._five:
            wanted = _properties(PacketTypes.CONNECT)
            wanted.SessionExpiryInterval = access.session_s
            wanted.ReceiveMaximum = access.receive
            wanted.MaximumPacketSize = access.message_bytes + 4_096
            options |= {"clean_start": access.session_s == 0, "properties": wanted}
        connect = partial(self._client.connect, access.host, access.port, **options)
        try:
            await self._loop.run_in_executor(None, connect)
            async with asyncio.timeout(access.connect_ms / 1_000):
                await asyncio.shield(self._welcomed)
        except (OSError, TimeoutError) as error:  # a certificate that does not hold is an OSError, too
            await self.close()
            raise NodeUnreachable(f"the broker at {access.host}:{access.port}: {error or 'no answer'}") from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Say goodbye, where somebody listens: no will is told then."""
        self._client.disconnect()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S if self._client.socket() else 0):
                await asyncio.shield(self.ended)
        self._end("closed")
        self._drop_socket()

    def abort(self, reason: str) -> None:
        """Without goodbye: the broker tells our will, and sends again what we have not acknowledged."""
        self._end(reason)
        self._drop_socket()

    def _drop_socket(self) -> None:
        if self._misc is not None:
            self._misc.cancel()
        found = self._client.socket()
        if found is not None:
            self._forget(found.fileno())
            with suppress(OSError):
                found.close()

    def _end(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
        if not self._welcomed.done():
            self._welcomed.set_exception(NodeUnreachable(f"the broker ended the connection: {reason}"))
            self._welcomed.exception()
        waiting: list[asyncio.Future[Any]] = [*self._subscribed.values(), *self._published.values()]
        for one in waiting:
            one.cancel()
        self._subscribed.clear()
        self._published.clear()

    # ------------------------------------------------------------ what is done with it

    async def subscribe(self, filters: Sequence[str]) -> None:
        """All of them, at least once (QoS 1). Raises UnknownSigner where the broker refuses one."""
        code, number = self._client.subscribe([(one, 1) for one in filters])
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or number is None:
            raise NodeUnreachable("the broker is away")
        granted: asyncio.Future[list[int]] = self._loop.create_future()
        self._subscribed[number] = granted
        try:
            async with asyncio.timeout(self._access.connect_ms / 1_000):
                codes = await granted
        except (TimeoutError, asyncio.CancelledError) as error:
            if self.ended.done() or isinstance(error, TimeoutError):
                raise NodeUnreachable("the broker does not answer a subscription") from error
            raise
        refused = [one for one, code in zip(filters, codes, strict=True) if code >= 128]
        if refused:
            raise UnknownSigner(f"the broker does not let {self._access.client} hear {', '.join(refused)}")

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Hear no more of these; what was sent before still comes."""
        self._client.unsubscribe(list(filters))

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        life_s: int = 0,
        correlation: bytes = b"",
        said: Sequence[tuple[str, str]] = (),
    ) -> asyncio.Future[int] | None:
        """At least once (QoS 1). A future of the broker's reason; None where it was dropped: away, or no room."""
        if self.ended.done():
            return None
        properties: Properties | None = None
        if self._five:
            properties = _properties(PacketTypes.PUBLISH)
            if life_s:
                properties.MessageExpiryInterval = life_s
            if correlation:
                properties.CorrelationData = correlation
            if said:
                properties.UserProperty = list(said)
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None
        taken: asyncio.Future[int] = self._loop.create_future()
        self._published[info.mid] = taken
        return taken

    def acknowledge(self, number: int) -> None:
        """This message is safe with us."""
        if number and not self.ended.done():
            self._client.ack(number, 1)

    # ------------------------------------------------------------ paho's calls: on the loop, but for those of connect

    def _on_connect(self, _client: Client, _data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._welcomed.done():
            return
        if reason.is_failure:
            error = UnknownSigner if reason.value in _NOT_ALLOWED else NodeUnreachable
            self._welcomed.set_exception(error(f"the broker refuses {self._access.client}: {reason}"))
            return
        self.session_present = bool(flags.session_present)
        if properties is not None:
            allowed = getattr(properties, "ReceiveMaximum", _IN_FLIGHT)
            if allowed < _IN_FLIGHT:
                few = f"the broker takes {allowed} messages at a time, {_IN_FLIGHT} are needed"
                self._welcomed.set_exception(NodeUnreachable(few))
                return
            self.shares = bool(getattr(properties, "SharedSubscriptionAvailable", 1))
        self._welcomed.set_result(None)

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._end(str(reason))

    def _on_message(self, _client: Client, _data: Any, found: MQTTMessage) -> None:
        asked = found.properties
        try:
            topic = found.topic
        except UnicodeDecodeError:
            topic = ""
        self._took(
            Message(
                topic,
                bytes(found.payload),
                found.mid if found.qos else 0,
                bool(found.retain),
                getattr(asked, "ResponseTopic", ""),
                getattr(asked, "CorrelationData", b""),
                tuple(getattr(asked, "UserProperty", ())),
            )
        )

    def _on_publish(self, _client: Client, _data: Any, number: int, reason: Any, _properties: Any) -> None:
        taken = self._published.pop(number, None)
        if taken is not None and not taken.done():
            taken.set_result(reason.value)

    def _on_subscribe(self, _client: Client, _data: Any, number: int, reasons: Any, _properties: Any) -> None:
        granted = self._subscribed.pop(number, None)
        if granted is not None and not granted.done():
            granted.set_result([one.value for one in reasons])

    # ------------------------------------------------------------ paho's socket, by the event loop

    def _on_socket_open(self, _client: Client, _data: Any, found: Any) -> None:
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer waits 40 ms for who is to come
        self._on_loop(self._watch, found.fileno())

    def _on_socket_close(self, _client: Client, _data: Any, found: Any) -> None:
        self._on_loop(self._forget, found.fileno())

    def _on_register_write(self, _client: Client, _data: Any, found: Any) -> None:
        self._on_loop(self._watch_writes, found.fileno())

    def _on_unregister_write(self, _client: Client, _data: Any, found: Any) -> None:
        self._on_loop(self._loop.remove_writer, found.fileno())

    def _on_loop(self, call: Callable[[int], object], descriptor: int) -> None:
        """At once where we are on the loop: a descriptor that is closed may be another's in the next moment."""
        if descriptor < 0 or self._loop.is_closed():
            return  # closed before: it was forgotten then
        if threading.get_ident() == self._thread:
            call(descriptor)
        else:
            self._loop.call_soon_threadsafe(call, descriptor)

    def _watch(self, descriptor: int) -> None:
        if not self.ended.done() and self._client.socket() is not None:
            self._loop.add_reader(descriptor, self._read)
            self._misc = self._loop.create_task(self._keep_alive())

    def _watch_writes(self, descriptor: int) -> None:
        if not self.ended.done() and self._client.socket() is not None:
            self._loop.add_writer(descriptor, self._write)

    def _forget(self, descriptor: int) -> None:
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)

    def _read(self) -> None:
        try:
            self._client.loop_read()
            while (found := self._client.socket()) is not None and _pending(found):
                self._client.loop_read()
        except Exception as error:  # noqa: BLE001  # whatever a broker says must not end the gateway
            self.abort(f"{type(error).__name__}: {error}")

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except Exception as error:  # noqa: BLE001  # as above
            self.abort(f"{type(error).__name__}: {error}")

    async def _keep_alive(self) -> None:
        while not self.ended.done():
            if self._client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._end("no sign of life")
                return
            await asyncio.sleep(_MISC_S)


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


def _pending(found: Any) -> int:
    """Bytes that TLS has decoded and nobody has read: the descriptor tells nothing of them."""
    return int(found.pending()) if hasattr(found, "pending") else 0


def tls_context(roots: Sequence[str], certificate: str = "", key: bytes = b"") -> ssl.SSLContext:
    """Trusts these roots alone, and shows a certificate where there is one."""
    try:
        context = ssl.create_default_context(cadata="".join(roots))
    except ssl.SSLError as error:
        raise BadRequest(f"the broker's roots cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        descriptor = os.memfd_create("certificate")  # ssl reads files only, and keys of ours are on no other disk
        with os.fdopen(descriptor, "wb") as file:
            file.write(key + certificate.encode())
            file.flush()
            context.load_cert_chain(Path("/proc/self/fd") / str(descriptor))
    return context
