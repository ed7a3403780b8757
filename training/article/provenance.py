"""What a repetition depends on, kept beside its checkpoints and its results."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.article.data import TABLE
from training.article.network import IMAGENET
from training.article.settings import Repetition, Settings
from training.article.start_weights import PACKAGE, SHA256
from training.chest_xray.table import checksum, load_table
from training.record import commit, libraries, write_json

Record = dict[str, Any]
_ROOT = Path(__file__).parents[2]


def inputs(data: Path, start: Path | str | None, one: Repetition, settings: Settings) -> Record:
    """Everything that decides the figures, but for code and libraries."""
    used = asdict(settings)
    resamples, eager = used.pop("resamples"), used.pop("eager")
    return {
        "settings": used,
        "seed": one.seed,
        "without_leak": one.without_leak,
        "start": _start(start),
        "data_sha256": checksum(data, load_table(data, TABLE), TABLE),
        "judging": {"resamples": resamples},
        "compiled": not eager,
    }


def _start(start: Path | str | None) -> Record:
    if isinstance(start, Path):
        return {"weights": f"npm {PACKAGE}", "sha256": SHA256}
    return {"weights": "keras.applications imagenet" if start == IMAGENET else "random"}


def key(depends: Record) -> str:
    """Names the folder of checkpoints: a run with other inputs never goes on from them."""
    text = json.dumps({k: v for k, v in depends.items() if k != "judging"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def code_that_trains(folder: Path) -> Record:
    """Commit and libraries of the moment when this folder's training began."""
    path = folder / "began.json"
    if path.exists():
        began: Record = json.loads(path.read_text("utf-8"))
        return began
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, {"commit": commit(_ROOT), "libraries": libraries()})
    return code_that_trains(folder)
