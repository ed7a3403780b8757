"""CDS Hooks calls that have been answered"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cds_calls",
        sa.Column("call_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("call_hash"),
    )
    with op.batch_alter_table("cds_calls", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cds_calls_expires_at"), ["expires_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("cds_calls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cds_calls_expires_at"))

    op.drop_table("cds_calls")
