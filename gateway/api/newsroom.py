"""The newsroom: it reads each block once, whoever listens, and hands everybody what is for them.

    model.beyond ─▶ one look at the block's rows ─▶ news, by key ─▶ queues of those who listen to a key

Nobody listens: nothing is read. Somebody comes back with the place it was told last: what came since is taken from the
last blocks, kept here, or else read again, before what comes next; so nothing is left out and nothing told twice. A
reader that is slower than the news is let go, with the reason: it comes back where it was. The database is away: all
wait, and are told so by `state`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeGuard

import msgspec
import structlog
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.asking import Model
from gateway.api.news import (
    ALL,
    CALLS_FROM,
    MOVING,
    News,
    Parties,
    Permit,
    Place,
    Told,
    of_block,
    of_event,
    shown,
)
from gateway.readmodel.following import State, Status
from gateway.readmodel.queries.ledger import BlockRow
from gateway.readmodel.queries.pages import all_of, rows_of
from gateway.readmodel.tables.ledger import BLOCKS, CALLS, EVENTS, TRANSACTIONS
from gateway.readmodel.tables.market import ORDERS, TRADES
from ledgernode.errors import Broken, NodeStopping, RateLimited, ReaderSlow, Unavailable
from ledgernode.wire.receipt import OK

LISTENERS: Final = 10_000
OF_PERSON: Final = 20
QUEUE: Final = 1_000
"""News that a listener has not read yet."""
READ_BLOCKS: Final = 50
"""Of one look."""
KEPT_BLOCKS: Final = 500
KEPT_NEWS: Final = 20_000
"""Of the last blocks, for those who come back."""
AWAY_BLOCKS: Final = 5_000
"""Who was away for more reads its pages anew."""
_NUMBERS: Final = 10_000
_PAUSE_S: Final = 1.0
_LOOK_EVERY_S: Final = 1.0
_RETRY_MS: Final = 5_000


class LiveModel(Model, Protocol):
    """The read model, which says when it has come further."""

    async def beyond(self, height: int) -> int: ...


class Standing(msgspec.Struct, frozen=True):
    """How the model stands, as listeners are told when it changes."""

    state: State
    height: int
    time_ms: int
    behind: int

    @classmethod
    def of(cls, status: Status) -> Standing:
        return cls(status.state, status.height, status.time_ms, status.behind)


class Item(NamedTuple):
    """News for one listener: under which topics, and how much of it."""

    news: News
    topics: tuple[str, ...]
    payload: Mapping[str, Any] | None


class Listener:
    """Somebody's queue. `permits` says by key what it is told."""

    def __init__(self, person: str, permits: Mapping[str, Permit], after: Place) -> None:
        self.person = person
        self.permits = dict(permits)
        self.after = after
        self.knows: State | None = None
        """How the model stands, as it was told last; None: not yet."""
        self._waiting: deque[Item | Standing] = deque()
        self._news = asyncio.Event()
        self._end: Exception | None = None

    def told(self, item: Item | Standing) -> None:
        if self._end is not None:
            return
        if len(self._waiting) >= QUEUE:
            self.finish(ReaderSlow(f"more than {QUEUE} news were waiting to be read: come back where you were"))
            return
        self._waiting.append(item)
        self._news.set()

    def finish(self, reason: Exception) -> None:
        """Nothing more; `next` raises the reason at once."""
        self._end = reason
        self._waiting.clear()
        self._news.set()

    async def next(self) -> Item | Standing:
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    @property
    def has_all(self) -> bool:
        return not self._waiting

    def choose(self, news: News) -> Item | None:
        """Its part of the news; None where it is for others, or was told before."""
        if news.place <= self.after:
            return None
        topics, payload = shown(news, [self.permits[key] for key in news.keys if key in self.permits])
        return Item(news, topics, payload) if topics else None


class Newsroom:
    """One, for all who listen to a ledger."""

    def __init__(self, model: LiveModel) -> None:
        self._model = model
        self._by_key: dict[str, set[Listener]] = {}
        self._listeners: dict[Listener, None] = {}
        self._of_person: dict[str, int] = {}
        self._kept: deque[tuple[int, list[News]]] = deque()
        """The last blocks, in a row up to `height`."""
        self._kept_news = 0
        self._stopping = False
        self.height = -1
        """All news up to here have been handed out."""
        self.moved = 0
        """Grows when somebody may see more or less than before."""
        self._log: Any = structlog.get_logger("gateway.live")

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def standing(self) -> Standing:
        return Standing.of(self._model.status)

    # ------------------------------------------------------------ coming and going

    def require_room(self, person: str) -> None:
        if self._stopping:
            raise NodeStopping("the gateway is stopping: come back")
        if len(self._listeners) >= LISTENERS:
            raise RateLimited("as many listen as may", retry_ms=_RETRY_MS)
        if self._of_person.get(person, 0) >= OF_PERSON:
            raise RateLimited(f"one person listens at most {OF_PERSON} times at once", retry_ms=_RETRY_MS)

    def enter(self, listener: Listener) -> int:
        """From now on it is handed everything beyond the height that is answered."""
        if not self._listeners:
            self._skip_to(self._model.status.height)
        self._listeners[listener] = None
        self._of_person[listener.person] = self._of_person.get(listener.person, 0) + 1
        for key in listener.permits:
            self._by_key.setdefault(key, set()).add(listener)
        return self.height

    def leave(self, listener: Listener) -> None:
        if listener not in self._listeners:
            return
        del self._listeners[listener]
        self._of_person[listener.person] -= 1
        if not self._of_person[listener.person]:
            del self._of_person[listener.person]
        self._forget_keys(listener)

    def permit(self, listener: Listener, permits: Mapping[str, Permit]) -> None:
        """What it may be told from now on."""
        if listener.permits == permits:
            return
        self._forget_keys(listener)
        listener.permits = dict(permits)
        for key in permits:
            self._by_key.setdefault(key, set()).add(listener)

    def _forget_keys(self, listener: Listener) -> None:
        for key in listener.permits:
            found = self._by_key.get(key, set())
            found.discard(listener)
            if not found:
                self._by_key.pop(key, None)

    def end(self) -> None:
        """Everybody goes, and knows why."""
        self._stopping = True
        for listener in list(self._listeners):
            listener.finish(NodeStopping("the gateway is stopping: come back where you were"))

    async def missed(self, listener: Listener, until_height: int) -> AsyncIterator[Item]:
        """What a listener was not told between its place and a height. Ask `is_lost` first."""
        height = listener.after.height
        if listener.after.number == ALL:
            height += 1
        while height <= until_height:
            upto = min(height + READ_BLOCKS - 1, until_height)
            for _, found in await self._blocks(height, upto):
                for news in found:
                    if (item := listener.choose(news)) is not None:
                        yield item
            height = upto + 1

    def is_lost(self, after: Place) -> bool:
        """It was away for too long, or its place is on no ledger of ours."""
        status = self._model.status
        furthest = max(status.height, status.ledger_height) + READ_BLOCKS
        return after.height < self.height - AWAY_BLOCKS or after.height > furthest

    async def _blocks(self, first: int, last: int) -> list[tuple[int, list[News]]]:
        if self._kept and self._kept[0][0] <= first:
            return [one for one in self._kept if first <= one[0] <= last]
        return await self._read(first, last)

    # ------------------------------------------------------------ following

    async def run(self) -> None:
        """Until it is cancelled."""
        looking = asyncio.create_task(self._look())
        try:
            while True:
                height = await self._model.beyond(self.height)
                if not self._listeners or self.height < 0:
                    self._skip_to(max(height, self.height))
                    continue
                if height <= self.height:
                    continue
                try:
                    await self._hand_out(min(height, self.height + READ_BLOCKS))
                except Unavailable as error:
                    self._log.warning("live pages wait", reason=str(error))
                    await asyncio.sleep(_PAUSE_S)
                except Exception as error:  # noqa: BLE001  # what nobody foresaw in a block is left out, and said
                    self._log.error("a block cannot be told", height=self.height + 1, exc_info=error)
                    self._skip_to(height)
                    for listener in list(self._listeners):
                        listener.finish(Broken("this could not be told: read the pages anew"))
        finally:
            looking.cancel()

    async def _hand_out(self, upto: int) -> None:
        blocks = await self._read(self.height + 1, upto)
        for height, found in blocks:
            for news in found:
                if news.contract in MOVING:
                    self.moved += 1
                for listener in {one for key in news.keys for one in self._by_key.get(key, ())}:
                    if (item := listener.choose(news)) is not None:
                        listener.told(item)
            self._keep(height, found)
        self.height = upto

    def _keep(self, height: int, found: list[News]) -> None:
        self._kept.append((height, found))
        self._kept_news += len(found)
        while self._kept and (len(self._kept) > KEPT_BLOCKS or self._kept_news > KEPT_NEWS):
            self._kept_news -= len(self._kept.popleft()[1])

    def _skip_to(self, height: int) -> None:
        """Nobody is there to be told what comes until then."""
        if height != self.height:
            self._kept.clear()
            self._kept_news = 0
            self.moved += 1
            self.height = height

    async def _look(self) -> None:
        """Tell whoever was told otherwise how the model stands."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = self.standing
            for listener in list(self._listeners):
                if listener.knows not in (None, now.state):
                    listener.knows = now.state
                    listener.told(now)

    # ------------------------------------------------------------ reading

    async def _read(self, first: int, last: int) -> list[tuple[int, list[News]]]:
        """The news of these blocks, each in order."""
        async with self._model.reading() as connection:
            found: dict[int, list[News]] = {height: [] for height in range(first, last + 1)}
            rows = rows_of(BlockRow, BLOCKS).where(BLOCKS.c.height.between(first, last)).order_by(BLOCKS.c.height)
            for row in await all_of(connection, BlockRow, rows.limit(READ_BLOCKS)):
                found[row.height].append(of_block(row))
            told = [*await _events(connection, first, last), *await _samples(connection, first, last)]
            trades = await _trades(connection, _numbers(told, "trade"))
            orders = await _orders(connection, _numbers(told, "order", "offer", "bid", "ask"))
        for one in sorted(told, key=lambda one: one.place):
            found[one.place.height].append(of_event(one, trades, orders))
        return list(found.items())


async def _events(connection: AsyncConnection, first: int, last: int) -> Iterable[Told]:
    here = and_(TRANSACTIONS.c.height == EVENTS.c.height, TRANSACTIONS.c.position == EVENTS.c.position)
    columns = EVENTS.c.height, EVENTS.c.number, EVENTS.c.time_ms, EVENTS.c.contract, EVENTS.c.name, EVENTS.c.payload
    question = select(*columns, TRANSACTIONS.c.id).select_from(EVENTS.outerjoin(TRANSACTIONS, here))
    rows = await connection.execute(question.where(EVENTS.c.height.between(first, last)))
    return [
        Told(Place(height, number), time_ms, contract, name, (id_ or b"").hex(), _payload(payload))
        for height, number, time_ms, contract, name, payload, id_ in rows
    ]


async def _samples(connection: AsyncConnection, first: int, last: int) -> Iterable[Told]:
    """What transformers have measured: calls that say all by their arguments."""
    table = TRANSACTIONS
    here = and_(CALLS.c.height == table.c.height, CALLS.c.position == table.c.position)
    columns = table.c.height, table.c.position, table.c.time_ms, table.c.id, CALLS.c.arguments
    question = select(*columns).select_from(table.join(CALLS, here)).where(table.c.code == OK)
    question = question.where(table.c.contract == "feeder", table.c.function == "observe")
    rows = await connection.execute(question.where(table.c.height.between(first, last)))
    return [
        Told(Place(height, CALLS_FROM + position), time_ms, "feeder", "Observed", id_.hex(), _payload(arguments))
        for height, position, time_ms, id_, arguments in rows
        if arguments is not None
    ]


async def _trades(connection: AsyncConnection, numbers: list[int]) -> dict[int, Parties]:
    if not numbers:
        return {}
    columns = TRADES.c.trade, TRADES.c.market, TRADES.c.seller_point, TRADES.c.buyer_point
    rows = await connection.execute(select(*columns).where(TRADES.c.trade.in_(numbers)))
    return {trade: Parties(market, (seller, buyer)) for trade, market, seller, buyer in rows}


async def _orders(connection: AsyncConnection, numbers: list[int]) -> dict[int, Parties]:
    if not numbers:
        return {}
    columns = ORDERS.c.number, ORDERS.c.market, ORDERS.c.point
    rows = await connection.execute(select(*columns).where(ORDERS.c.number.in_(numbers)))
    return {number: Parties(market, (point,) if point else ()) for number, market, point in rows}


def _numbers(told: Iterable[Told], *fields: str) -> list[int]:
    found = {number for one in told for field in fields if _is_number(number := one.payload.get(field))}
    return sorted(found)[:_NUMBERS]


def _is_number(value: object) -> TypeGuard[int]:
    """As trades and orders have them; what another contract puts there may be anything."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 63


def _payload(raw: str) -> Mapping[str, Any]:
    try:
        values = msgspec.json.decode(raw) if raw else {}
    except msgspec.DecodeError:
        return {}
    return values if isinstance(values, dict) else {"value": values}
