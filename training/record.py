"""What a run depended on: settings, data, code, libraries."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training.chest_xray.settings import Settings

_LIBRARIES = ("keras", "tensorflow-cpu", "numpy", "opencv-python-headless", "onnx", "tf2onnx")

# What a run writes (weights, figures, card) is no code.
_CODE = ("training/**/*.py", "inference/models/*.py", "inference/models/*.toml")


def run_key(settings: Settings, data_sha256: str) -> str:
    """Names the folder of a run's checkpoints: other settings or data never resume from them."""
    parts = dataclasses.asdict(settings)
    del parts["report"], parts["threads"]
    text = json.dumps([parts, data_sha256], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def commit(root: Path) -> str:
    """The commit of the code, with ``-changed`` where its files or settings differ from it."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    head = _git(git, root, "rev-parse", "HEAD")
    changed = _git(git, root, "status", "--porcelain", "--untracked-files=no", "--", *_CODE)
    return f"{head}-changed" if changed else head or "unknown"


def _git(git: str, root: Path, *arguments: str) -> str:
    done = subprocess.run([git, *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def libraries() -> dict[str, str]:
    """Versions of the libraries that the figures depend on."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def write_json(path: Path, content: Any) -> None:
    """Sorted, indented, ending in a newline: a change shows as a small difference."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
