"""How a read model stands, for who looks over its gateway: it is only read, and nothing of it is made."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from gateway.readmodel.database import Database
from gateway.readmodel.migrating import newest, version
from gateway.readmodel.queries.ledger import followed
from gateway.readmodel.tables.ledger import UNREAD
from ledgernode.doctor.gateway_rules import Model


async def standing(named: str, ledger_height: int | None) -> Model:
    """Of this database; `ledger_height` is what a node says."""
    database = Database(named)
    seen = Model(database.named, newest_schema=newest(), ledger_height=ledger_height)
    try:
        async with database.reader.connect() as connection:
            schema = await version(connection) or ""
            if schema != seen.newest_schema:
                return seen._replace(schema=schema)
            stands = await followed(connection)
            unread = await connection.scalar(select(func.count()).select_from(UNREAD)) or 0
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return seen._replace(refusal=(str(error).splitlines() or [type(error).__name__])[0][:200])
    finally:
        await database.close()
    return seen._replace(schema=schema, height=-1 if stands is None else stands.height, unread=unread)
