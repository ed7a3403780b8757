"""Train a model of Wetread on the public images that docs/data.md describes.

Everything that a run needs is in one data folder; everything that it leaves on its way
(checkpoints, lung boxes) goes to a work folder. A run may be stopped at any time: the same command
goes on from the last checkpoint. The same seed gives the same folds and, but for rounding, the
same figures.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from training.article import options as article_options
from training.errors import TrainingError
from training.work_folder import DEFAULT_WORK, what_was_found

_MODELS = Path(__file__).parents[1] / "inference" / "models"
_INTERRUPTED = 130
log = logging.getLogger("training")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, train, and report errors in one sentence.

    Returns
    -------
    int
        0; 1 after an error; 130 when interrupted.
    """
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    # TensorFlow reads this once, when it is first imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    work: Path = given.work.resolve() / given.what
    log.info("%s", what_was_found(work))
    train: Callable[[argparse.Namespace, Path], None] = given.train
    try:
        train(given, work)
    except TrainingError as error:
        return _failed(f"{error.code}: {error}.")
    except OSError as error:
        return _failed(f"files: {error.strerror}: {error.filename or work}.")
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _failed(sentence: str) -> int:
    print(sentence.replace("..", "."), file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wetread train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subs = parser.add_subparsers(dest="what", required=True, metavar="{chest_xray,article}")
    xray = subs.add_parser(
        "chest_xray",
        help="the served chest X-ray model: lung finder, classifier, calibration, figures, card",
        description="Trains the lung finder and the classifier, calibrates them on images that did "
        "not train, measures them (per source, with sources left out, with the lungs blanked) and "
        "writes weights, figures, plots and model card into the model folder. Settings are in its "
        "training.toml. Hours on two cores.",
    )
    _common(xray, "cxr.csv, article.csv and the images that they name")
    xray.add_argument(
        "--folder",
        type=_existing_folder,
        default=_MODELS / "chest_xray",
        help="model folder that holds training.toml and receives the results (default: the one "
        "that is served)",
    )
    xray.set_defaults(train=_train_chest_xray)
    article = subs.add_parser(
        "article",
        help="the article's InceptionV3, repeated as it was published; never served",
        description="Repeats the article: its network, its split, its settings; then without the "
        "patient who is in both of its folders; then how many healthy adults it calls Covid-19. "
        "The result is a report, never a model that is served.",
    )
    _common(article, "article.csv, cxr.csv and the images that they name")
    article_options.add_options(article)
    article.set_defaults(train=article_options.train)
    return parser


def _common(parser: argparse.ArgumentParser, contents: str) -> None:
    parser.add_argument(
        "--data",
        type=_existing_folder,
        required=True,
        metavar="DIR",
        help=f"data folder with {contents} (see docs/data.md); only read",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=DEFAULT_WORK,
        metavar="DIR",
        help="checkpoints and whatever else a run goes on from; may be deleted when it is done "
        "(default: %(default)s in the current folder)",
    )


def _existing_folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"must be an existing folder; got {text!r}")
    return path.resolve()


def _train_chest_xray(given: argparse.Namespace, work: Path) -> None:
    from training.chest_xray.settings import load_settings
    from training.chest_xray.table import load_table

    # What is wrong with settings or tables is said at once, not after TensorFlow has loaded.
    settings = load_settings(given.folder / "training.toml")
    for name in ("cxr.csv", "article.csv"):
        load_table(given.data, name)
    from training.chest_xray.run import run
    from training.limits import limit_threads

    limit_threads(settings.threads)
    run(given.folder, given.data, work)


if __name__ == "__main__":
    sys.exit(main())
