"""Bacterial or viral pneumonia, asked about children alone, whom the model refuses.

There is never a number for Covid-19 beside it. Without the network "children" nothing is answered.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import ModelRefused
from inference.prediction import Aside, Reason

if TYPE_CHECKING:
    from inference.images import Image
    from inference.model_folder import Networks, Prepared

KEY = "bacterial_or_viral"
TITLE = "If this child has pneumonia"
LABELS = ("bacterial", "viral")
ROLE = "children"


def aside(image: Image, prepared: Prepared, networks: Networks) -> Aside | None:
    """Tell bacterial from viral pneumonia, given that it is one of them.

    Parameters
    ----------
    image : inference.images.Image
        A radiograph refused for the patient's age alone.
    prepared : Prepared
        Its lung box, as the classifier would be shown it.
    networks : mapping
        Role ``"children"``: lung box -> probabilities, shape (n, 2).

    Returns
    -------
    Aside or None
        None where no such network is published.

    Raises
    ------
    ModelRefused
        If the network gives anything but two probabilities.
    """
    del image
    network = networks.get(ROLE)
    if network is None:
        return None
    # As it is and mirrored, as in training: the mean of both is a little better than either.
    both = np.concatenate([prepared.array, prepared.array[:, :, ::-1]])
    chances = network.run(np.ascontiguousarray(both))[0].mean(axis=0)
    if chances.shape != (2,) or not np.isfinite(chances).all() or abs(chances.sum() - 1) > 1e-3:
        raise ModelRefused("The children's network must give two probabilities that sum to 1.")
    classes = dict(zip(LABELS, (float(chance) for chance in chances), strict=True))
    return Aside(KEY, TITLE, classes, cautions(_trained()))


def cautions(trained: dict[str, Any]) -> tuple[Reason, ...]:
    """What to bear in mind, with the figure that training measured on children kept apart."""
    right = 100 * trained["right_class"]["value"]
    return (
        Reason(
            "only_if_pneumonia",
            "It does not say whether there is pneumonia: the two add up to 100 % in every child.",
        ),
        Reason(
            "one_hospital",
            "Trained and tested on children of 1 to 5 years from one hospital, never on images "
            f"from another: there it was right in {right:.0f} of 100 with pneumonia.",
        ),
        Reason(
            "not_for_withholding_antibiotics",
            "A child can have both at once: a low number is no reason to withhold antibiotics.",
        ),
    )


@cache
def _trained() -> dict[str, Any]:
    text = (Path(__file__).parent / "trained.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)["children"]
    return found
