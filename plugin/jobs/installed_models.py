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


def publish_models(database: Database, models: Iterable[ModelFacts]) -> None:
    """Note which models this installation reads with."""
    rows = [
        InstalledModel(
            name=facts.name,
            facts={
                "title": facts.title,
                "modalities": list(facts.modalities),
                "limits": list(facts.limits),
            },
            updated_at=time.time(),
        )
        for facts in models
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
