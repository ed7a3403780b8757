"""Tables of the built-in record store."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

resources = Table(
    "resources",
    metadata,
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("updated", Float, nullable=False),
    Column("body", Text, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)

terms = Table(
    "terms",
    metadata,
    Column("kind", String, nullable=False),
    Column("id", String, nullable=False),
    Column("parameter", String, nullable=False),
    Column("system", String, nullable=False),
    Column("value", String, nullable=False),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Index("terms_by_value", "kind", "parameter", "value"),
    Index("terms_by_date", "kind", "parameter", "low"),
    Index("terms_by_resource", "kind", "id"),
)
