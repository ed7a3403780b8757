"""One line of `wetread check`."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, TypeVar

Found = TypeVar("Found")

# A check that others build upon: yields its lines, returns what it found out.
Steps: TypeAlias = Generator["Result", None, Found]


@dataclass(frozen=True)
class Result:
    """What one check found; holds no patient data, tokens or secrets.

    Attributes
    ----------
    kind : str
        ``info`` is for the reader only; of the others, ``failure`` makes the check fail.
    subject : str
        What was looked at.
    code : str
        Short and stable, for programs that read the JSON.
    remedy : str
        What to do; empty when all is well.
    """

    kind: Literal["ok", "info", "warning", "failure"]
    subject: str
    code: str
    text: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Give the line for ``--json``."""
        return asdict(self)
