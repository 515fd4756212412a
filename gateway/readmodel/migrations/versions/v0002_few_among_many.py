"""Indexes of what is rare: overdue invoices, readings that are not believed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OVERDUE = sa.text("overdue = 1")
HELD = sa.text("state IN ('h', 'r')")


def upgrade() -> None:
    of_invoices = ["utility", "issued_ms", "invoice"]
    op.create_index("invoices_overdue", "invoices", of_invoices, sqlite_where=OVERDUE, postgresql_where=OVERDUE)
    op.create_index("readings_held", "readings", ["meter", "time_ms"], sqlite_where=HELD, postgresql_where=HELD)
