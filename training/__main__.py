"""``python -m training chest_xray --data DIR``: train a model of ``inference/models``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

_MODELS = Path(__file__).parent.parent / "inference" / "models"


def main() -> int:
    """Parse the command line, train, and report errors in one sentence."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    names = sorted(path.parent.name for path in _MODELS.glob("*/training.toml"))
    parser.add_argument("model", choices=names)
    parser.add_argument("--data", type=Path, required=True, help="folder with cxr.csv")
    default = Path(tempfile.gettempdir()) / "wetread-training"
    parser.add_argument("--work", type=Path, default=default, help="checkpoints (resumed from)")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # TensorFlow reads these once, when it is first imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from training.chest_xray.run import run
    from training.chest_xray.settings import load_settings
    from training.errors import TrainingError
    from training.limits import limit_threads

    folder = _MODELS / given.model
    try:
        limit_threads(load_settings(folder / "training.toml").threads)
        run(folder, given.data, given.work)
    except TrainingError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
