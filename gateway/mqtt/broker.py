"""A broker within the process, for demos and trials: nothing to install, nothing kept, gone with the process.

    broker = EmbeddedBroker({"gateway-1": "secret", "north/M-1": "another"}, gateways=["gateway-1"])
    await broker.start()                 # 127.0.0.1, a free port
    await broker.stop()

It speaks MQTT 3.1.1, without TLS, and so listens on this machine only unless it is told otherwise. Who is
`organisation/name` is a device, and may do on its own branch what Mosquitto's rights would let it; other users hear of
trades and may speak outside of our topics. A gateway may do everything.
"""

from __future__ import annotations

import hmac
import logging
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from amqtt.broker import Broker
from amqtt.contexts import Action, BaseContext
from amqtt.errors import BrokerError
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from gateway.loopback import is_loopback
from gateway.mqtt.topics import ROOT, SAID, TOLD, TRADES
from ledgernode.errors import BadRequest

LOOPBACK: Final = "127.0.0.1"
_SESSION_S: Final = 3_600
_DEVICE_LEVELS: Final = 5
_TRADE_LEVELS: Final = 4


class EmbeddedBroker:
    """Starts once and stops once."""

    def __init__(self, users: Mapping[str, str], *, gateways: Iterable[str] = ()) -> None:
        self._users = dict(users)
        self._gateways = list(gateways)
        self._broker: Broker | None = None
        self.host = LOOPBACK
        self.port = 0

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    async def start(self, host: str = LOOPBACK, port: int = 0, *, anywhere: bool = False) -> None:
        """Listen. Refuses an address that others reach unless `anywhere`, and one that is in use."""
        if not (anywhere or is_loopback(host)):
            raise BadRequest(f"an embedded broker has no TLS: it listens on this machine, not on {host}")
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.host, self.port = host, port or _free_port(host)
        settings: dict[str, Any] = {
            "listeners": {"default": {"type": "tcp", "bind": f"{self.host}:{self.port}"}},
            "session_expiry_interval": _SESSION_S,
            "plugins": {
                f"{__name__}.Passwords": {"users": self._users},
                f"{__name__}.Rights": {"gateways": self._gateways},
            },
        }
        self._broker = _Broker(settings)
        try:
            await self._broker.start()
        except BrokerError as error:
            raise BadRequest(f"the broker cannot listen on {self.address}: is another process there?") from error

    async def stop(self) -> None:
        if self._broker is not None:
            await self._broker.shutdown()
            self._broker = None


class _Broker(Broker):  # type: ignore[misc]  # amqtt ships no types
    """amqtt gives whoever comes in all that is retained under any subscription of anybody: what a client may not hear
    among it."""

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        there = self.subscriptions.get(subscription[0], ())
        if any(each.client_id == session.client_id for each, _ in there):
            await super()._publish_retained_messages_for_subscription(subscription, session)


class Passwords(BaseAuthPlugin):  # type: ignore[misc]  # as above
    """Who has no password does not come in."""

    @dataclass
    class Config:
        """What the broker's settings hand over."""

        users: dict[str, str] = field(default_factory=dict)

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._known: dict[str, str] = self._get_config_option("users", {})

    async def authenticate(self, *, session: Session) -> bool:
        known = self._known.get(session.username or "")
        return known is not None and hmac.compare_digest(known.encode(), (session.password or "").encode())


class Rights(BaseTopicPlugin):  # type: ignore[misc]  # as above
    """Who may do what; `allowed` decides."""

    @dataclass
    class Config:
        """As above."""

        gateways: list[str] = field(default_factory=list)

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._all_rights = frozenset(self._get_config_option("gateways", []))

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        user = (session.username if session else None) or ""
        return user in self._all_rights or allowed(user, topic or "", says=action is Action.PUBLISH)


def allowed(user: str, topic: str, *, says: bool) -> bool:
    """May this user, who is no gateway, say something there, or hear what is said? Wildcards only outside of ours."""
    levels = topic.split("/")
    if levels[0] != ROOT:
        return levels[0] not in ("#", "+", "$SYS")
    if len(levels) == _TRADE_LEVELS and levels[2] == TRADES:
        return not says
    own = len(levels) >= _DEVICE_LEVELS and "/".join(levels[2:4]) == user
    return own and levels[4] in (SAID if says else TOLD)


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
