"""How alembic reaches the database: over the connection it is handed, or as a script of SQL."""

from __future__ import annotations

from alembic import context

from gateway.readmodel.tables import METADATA

config = context.config
if context.is_offline_mode():
    context.configure(
        dialect_name=config.attributes["dialect"],
        target_metadata=METADATA,
        literal_binds=True,
        output_buffer=config.output_buffer,
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    context.configure(connection=config.attributes["connection"], target_metadata=METADATA)
    context.run_migrations()
