"""What the worker has installed, in the database: the web process imports no model to know it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select

from inference.model_facts import ModelFacts
from plugin.database import Database
from plugin.readings import InstalledModel


@dataclass(frozen=True)
class KnownModel:
    """As much of a model as the web process needs.

    Attributes
    ----------
    limits : tuple of str
        Sentences shown to clinicians.
    """

    name: str
    title: str
    modalities: tuple[str, ...]
    limits: tuple[str, ...]


def publish_models(database: Database, models: Iterable[tuple[ModelFacts, str]]) -> None:
    """Note which models this installation reads with, each with its card (Markdown)."""
    rows = [
        InstalledModel(
            name=facts.name,
            facts={
                "title": facts.title,
                "modalities": list(facts.modalities),
                "limits": list(facts.limits),
            },
            card=card,
            updated_at=time.time(),
        )
        for facts, card in models
    ]
    with database.session() as session:
        session.execute(delete(InstalledModel))
        session.add_all(rows)


def known_models(database: Database) -> list[KnownModel]:
    """List the installed models; empty until a worker has started once."""
    with database.session() as session:
        rows = session.scalars(select(InstalledModel).order_by(InstalledModel.name)).all()
    return [
        KnownModel(
            name=row.name,
            title=str(row.facts["title"]),
            modalities=tuple(row.facts["modalities"]),
            limits=tuple(row.facts["limits"]),
        )
        for row in rows
    ]


def model_card(database: Database, name: str) -> str | None:
    """Give a model's card; None for a name that is not installed."""
    with database.session() as session:
        row = session.get(InstalledModel, name)
        return row.card if row else None
