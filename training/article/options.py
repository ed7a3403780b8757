"""The command line of ``wetread train article``; importing it loads no library."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.errors import SettingsError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what this training has beyond ``--data`` and ``--work``."""
    parser.add_argument("--seeds", type=_count, default=3, metavar="N", help="repetitions (3)")
    parser.add_argument(
        "--without-leak",
        type=_count,
        default=1,
        metavar="N",
        help="repetitions without the patient who is in both of the article's folders (1)",
    )
    parser.add_argument(
        "--start",
        metavar="FILE.tgz|imagenet",
        help="first weights of InceptionV3: the file of `npm pack nsfwjs@4.4.0`, or `imagenet` "
        "where Keras can download its own",
    )
    parser.add_argument("--threads", type=_count, default=2, metavar="N", help="for training (2)")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="receives figures and page (its own folder)"
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more; got {value}")
    return value


def train(given: argparse.Namespace, work: Path) -> None:
    """Do what the command line asks for.

    Raises
    ------
    SettingsError
        If ``--start`` is missing: weights at random learn nothing from 159 images.
    """
    if given.start is None:
        raise SettingsError(
            "--start must say where InceptionV3 begins: --start FILE.tgz with the file that "
            "`npm pack nsfwjs@4.4.0` writes, or --start imagenet where Keras can download; "
            "there is none"
        )
    # TensorFlow loads here, not while the command line is read.
    from training.article.run import RESULTS, run
    from training.article.settings import repetitions
    from training.limits import limit_threads

    limit_threads(given.threads)
    start = given.start if given.start == "imagenet" else Path(given.start)
    plan = repetitions(given.seeds, given.without_leak)
    run(given.data, work, start, plan, results=given.results or RESULTS)
