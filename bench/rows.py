"""One line of the performance table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """A figure beside its baseline.

    Attributes
    ----------
    what : str
        What was measured.
    value, baseline : float or None
        In ``unit``; a step that has no baseline of its own carries None.
    unit : str
        ``ms``, ``MB`` ...
    against : str
        What the baseline is.
    goal : str
        The goal in words, empty where there is none.
    """

    what: str
    value: float
    unit: str
    baseline: float | None = None
    against: str = ""
    goal: str = ""

    @property
    def ratio(self) -> float | None:
        """Baseline divided by value: above 1 is better than the baseline."""
        return None if self.baseline is None or not self.value else self.baseline / self.value


def show(rows: list[Row], *, as_json: bool) -> None:
    """Print the rows as a table or as JSON."""
    if as_json:
        print(json.dumps([asdict(row) | {"ratio": row.ratio} for row in rows], indent=1))
        return
    table = Table("what", "value", "baseline", "ratio", "against", "goal", title="Wetread")
    for row in rows:
        base = "" if row.baseline is None else f"{row.baseline:.1f} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        table.add_row(row.what, f"{row.value:.1f} {row.unit}", base, ratio, row.against, row.goal)
    Console(width=150).print(table)
