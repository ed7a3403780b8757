"""The distance of a run's served network, with its threshold from the networks without a source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from training.chest_xray.answers import Answers
from training.chest_xray.classifier import features_of
from training.chest_xray.crops import Crops
from training.chest_xray.novelty import Novelty, fit_novelty, left_out
from training.chest_xray.protocol import SERVED
from training.chest_xray.settings import Settings
from training.chest_xray.strangers import shown_by_force, strangers


def novelty_of_run(
    answers: Mapping[str, Answers], crops: Crops, data: Path, settings: Settings
) -> Novelty:
    """Fit and choose the distance.

    Parameters
    ----------
    answers : mapping
        All networks of the run by name; those with sources left out give the threshold.
    crops : Crops
        Lung boxes of all images.
    data : pathlib.Path
        The data folder, in which strangers are looked for.
    settings : Settings
        Section ``[novelty]`` and the seed are used.
    """
    served = answers[SERVED]
    table = crops.of(tuple(row for row in crops.rows if row.fold >= 0))
    inputs = table.composed()
    unseen = [
        left_out(one.fitting, features_of(one.model, inputs), table.rows)
        for one in answers.values()
        if one.fitting.left_out
    ]
    others = shown_by_force(strangers(data, settings.seed), table.hull, settings.seed)
    shown = {kind: features_of(served.model, one) for kind, one in others.items()}
    features = features_of(served.model, inputs)
    return fit_novelty(features, table.rows, served.fitting, unseen, shown, settings.novelty)
