"""Sources left out of training altogether: the nearest thing here to an unseen hospital."""

from __future__ import annotations

from pathlib import Path

from training.chest_xray.classifier import predicted, train_classifier
from training.chest_xray.crops import Crops
from training.chest_xray.evaluation import Evaluator, Figures, predictions
from training.chest_xray.imagenet import State
from training.chest_xray.operating_point import choose_operating_point
from training.chest_xray.settings import Settings
from training.chest_xray.splits import Split
from training.chest_xray.table import Row

# nih and rsna_normal may share patients: one source.
SOURCES_LEFT_OUT = (("nih", "rsna_normal"), ("ieee8023",))


def evaluate_left_out(
    sources: tuple[str, ...],
    split: Split,
    crops: Crops,
    settings: Settings,
    imagenet: State | None,
    work: Path,
) -> Figures:
    """Fine-tune a shorter run without some sources and judge it on all their images.

    Temperature and threshold come from the choices fold without these sources, as they would for
    a hospital of which nothing is known.
    """
    training = _without(split.training, sources)
    choices = crops.of(_without(split.choices, sources))
    unseen = crops.of(tuple(r for r in split.all if r.source in sources))
    epochs = settings.shorter.epochs
    checkpoint = work / f"without-{'-'.join(sources)}-{epochs}.npz"
    model = train_classifier(crops.of(training), settings, imagenet, checkpoint, epochs)
    point = choose_operating_point(predicted(model, choices.composed()), choices.rows, settings)
    found = predictions(predicted(model, unseen.composed()), unseen.rows, point)
    return {
        "left_out": list(sources),
        "epochs": epochs,
        "threshold": point.threshold,
        **Evaluator(settings, point.threshold).summary(found),
    }


def _without(rows: tuple[Row, ...], sources: tuple[str, ...]) -> tuple[Row, ...]:
    return tuple(row for row in rows if row.source not in sources)
