"""``README.md`` of the results: what was repeated, what came out, and why it means little."""

from __future__ import annotations

import json
from pathlib import Path

from training.article.judging import Figures

Found = dict[str, Figures]


def write_page(results: Path) -> None:
    """Write the page from every repetition whose figures lie in the folder."""
    found = {
        path.parent.name: json.loads(path.read_text("utf-8"))
        for path in sorted(results.glob("*/figures.json"))
    }
    (results / "README.md").write_text("\n\n".join(_paragraphs(found)) + "\n", "utf-8")


def _paragraphs(found: Found) -> list[str]:
    return [_table(("repetition",), [(name,) for name in found])]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
