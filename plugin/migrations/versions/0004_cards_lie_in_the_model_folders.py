"""Model cards are read from the model folders"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("installed_models", schema=None) as batch_op:
        batch_op.drop_column("card")


def downgrade() -> None:
    with op.batch_alter_table("installed_models", schema=None) as batch_op:
        batch_op.add_column(sa.Column("card", sa.Text(), nullable=False, server_default=""))
