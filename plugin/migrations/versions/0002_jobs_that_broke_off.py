"""How often a worker died over a job"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("openings", "readings")


def upgrade() -> None:
    for table in TABLES:
        column = sa.Column("broke_off", sa.Integer(), nullable=False, server_default="0")
        op.add_column(table, column)


def downgrade() -> None:
    for table in TABLES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("broke_off")
