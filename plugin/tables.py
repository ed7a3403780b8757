"""Every table of the database, imported in one place: what the migrations must bring about."""

from __future__ import annotations

from sqlalchemy import MetaData

from plugin import heartbeat, launch_states, launches, readings, vault
from plugin.database import Base

MODULES = (vault, launch_states, launches, heartbeat, readings)


def all_tables() -> MetaData:
    """Give the metadata with every table in it."""
    return Base.metadata
