"""The lines of invoices and the time they are about, and what prepaid meters have left.

Of what stands already they are not known: rebuild.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("invoices", sa.Column("from_ms", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("invoices", sa.Column("until_ms", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("invoices", sa.Column("about", TEXT, server_default="", nullable=False))
    op.add_column("invoices", sa.Column("handed_over", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "invoice_lines",
        sa.Column("invoice", TEXT, nullable=False),
        sa.Column("parts", TEXT, server_default="", nullable=False),
        sa.Column("lines", TEXT, server_default="", nullable=False),
        sa.Column("height", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("invoice"),
        sqlite_with_rowid=False,
    )
    op.add_column("prepaid", sa.Column("balance_mwh", sa.BigInteger(), nullable=True))
    op.add_column("prepaid", sa.Column("balance_ms", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("prepaid", sa.Column("low", sa.BigInteger(), server_default="0", nullable=False))
