"""Every table of the database, imported in one place: what the migrations must bring about."""

from __future__ import annotations

from sqlalchemy import MetaData

from plugin import readings
from plugin.cds import replay
from plugin.database import Base
from plugin.jobs import heartbeat
from plugin.launching import launch_states, launches, vault

MODULES = (vault, launch_states, launches, heartbeat, readings, replay)


def all_tables() -> MetaData:
    """Give the metadata with every table in it."""
    return Base.metadata
