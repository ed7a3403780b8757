"""Which image of the study was read: the report is about this one and no other. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from plugin.reporting.wording import Words

if TYPE_CHECKING:
    from inference.images import DicomFacts
    from inference.prediction import Prediction

# Only these are quoted: free text in the field has held names.
VIEWS = ("PA", "AP")
UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True)
class ImageRead:
    """The image that the model read.

    Attributes
    ----------
    number, of : int
        Its place among the study's images, from 1, and their number.
    view : str or None
        PA or AP, if the image says so.
    sop_instance_uid : str or None
        What names it whatever its place; None if the image has no valid one.
    """

    number: int
    of: int
    view: str | None
    sop_instance_uid: str | None

    @property
    def sentence(self) -> str:
        """Say it in words."""
        view = f" ({self.view})" if self.view else ""
        if self.of == 1:
            return f"The only image of the study that this model reads{view} was read."
        return f"Image {self.number} of {self.of}{view} was read, and no other image of the study."


def image_read(prediction: Prediction, images: Sequence[DicomFacts]) -> ImageRead | None:
    """Name the image that was read; None if none was.

    Parameters
    ----------
    images : sequence of DicomFacts
        Of the images offered to the model, in that order.
    """
    if prediction.status != "ok":
        return None
    facts = images[prediction.image_index]
    return ImageRead(
        number=prediction.image_index + 1,
        of=len(images),
        view=next((v for v in re.findall("[A-Z]+", facts.view_position or "") if v in VIEWS), None),
        sop_instance_uid=valid_uid(facts.sop_instance_uid),
    )


def words_with_image(words: Words, image: ImageRead | None) -> Words:
    """Say in the result's words which image it is about."""
    return words if image is None else replace(words, sentences=(image.sentence, *words.sentences))


def valid_uid(uid: str | None) -> str | None:
    """Give a UID that may be shown and compared; None for what is none (PS3.5 9.1)."""
    return uid if uid and len(uid) <= 64 and UID.fullmatch(uid) else None
