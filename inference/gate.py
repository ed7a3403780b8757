"""The first gate, the same for every model: may the model read this image at all.

Every rule looks at `ModelFacts`, none at a model's name. What is wrong gives a reason, and no
number; what is unknown gives a caution, and is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from inference.images import DicomFacts, Image
from inference.model_facts import ModelFacts
from inference.model_folder import GateResult
from inference.prediction import Reason

_SIDE_VIEWS = frozenset({"LATERAL", "LL", "RL", "LLD", "RLD", "LAT", "LLAT", "RLAT"})
_UNDER_AGE = "under_minimum_age"
# Only plain words are quoted: free text in these fields has held names.
_QUOTABLE = re.compile(r"[A-Z0-9_ -]{1,16}")


def check_facts(model: ModelFacts, facts: DicomFacts | None) -> GateResult:
    """Judge the header alone, before any pixel is decoded."""
    if facts is None:
        return _picture(model)
    rules = (_modality, _body_part, _view, _orientation, _age, _raw)
    return joined(rule(model, facts) for rule in rules)


def fit_for_aside(model: ModelFacts, offered: Sequence[DicomFacts | None]) -> tuple[int, ...]:
    """Positions of the images of one study that are refused for the patient's age alone.

    Only where the folder may answer an aside for this age (`ModelFacts.aside_ages`). An age that is
    unknown or in doubt is no child's age, and one image of another age speaks against all of them:
    nothing is guessed.
    """
    stated = [facts for facts in offered if facts and facts.patient_age_years is not None]
    if not all(_has_aside_age(model, facts) for facts in stated):
        return ()
    return tuple(
        position
        for position, facts in enumerate(offered)
        if facts in stated and _refused_for_age_alone(model, facts)
    )


def _has_aside_age(model: ModelFacts, facts: DicomFacts) -> bool:
    age = facts.patient_age_years
    if model.aside_ages is None or age is None or facts.patient_age_in_doubt:
        return False
    low, high = model.aside_ages
    return low <= age < high


def _refused_for_age_alone(model: ModelFacts, facts: DicomFacts | None) -> bool:
    return {reason.code for reason in check_facts(model, facts).reasons} == {_UNDER_AGE}


def joined(results: Iterable[GateResult]) -> GateResult:
    """Put results together, in order."""
    everything = tuple(results)
    return GateResult(
        reasons=tuple(reason for result in everything for reason in result.reasons),
        cautions=tuple(caution for result in everything for caution in result.cautions),
    )


def _refused(code: str, sentence: str) -> GateResult:
    return GateResult(reasons=(Reason(code, sentence),))


def _caution(code: str, sentence: str) -> GateResult:
    return GateResult(cautions=(Reason(code, sentence),))


def _picture(model: ModelFacts) -> GateResult:
    if model.pictures == "never":
        return _refused(
            "picture_without_facts",
            "This model reads DICOM images only; a PNG or JPEG picture says nothing about how it "
            "was taken.",
        )
    return _caution(
        "picture_without_facts",
        "This is a plain picture without DICOM data: age, view, body part and modality are "
        f"unknown. The model is made for {_listed(model.modalities)} images of the "
        f"{_listed(model.body_parts[:1]).lower() or 'body'} of people aged "
        f"{model.minimum_age_years:g} or more.",
    )


def _modality(model: ModelFacts, facts: DicomFacts) -> GateResult:
    if facts.modality in model.modalities:
        return GateResult()
    return _refused(
        "wrong_modality",
        f"The model reads {_listed(model.modalities)} images; this one's modality is "
        f"{_quoted(facts.modality)}.",
    )


def _body_part(model: ModelFacts, facts: DicomFacts) -> GateResult:
    if not model.body_parts:
        return GateResult()
    if facts.body_part is None:
        return _caution("body_part_unknown", "The image does not say which body part it shows.")
    words = set(re.findall(r"[A-Z]+", facts.body_part))
    if words & set(model.body_parts):
        return GateResult()
    return _refused(
        "wrong_body_part",
        f"The model reads images of the {_listed(model.body_parts[:1]).lower()}; this one is "
        f"labelled {_quoted(facts.body_part)}.",
    )


def _view(model: ModelFacts, facts: DicomFacts) -> GateResult:
    if not model.views:
        return GateResult()
    if facts.view_position is None:
        return _caution("view_unknown", "The image does not say from which side it was taken.")
    words = set(re.findall(r"[A-Z]+", facts.view_position))  # "AP SUPINE" is an AP view
    if words & _SIDE_VIEWS:
        return _refused(
            "lateral_view",
            f"The model reads frontal views ({_listed(model.views)}); this is a side view.",
        )
    if words & set(model.views):
        return GateResult()
    return _refused(
        "wrong_view",
        f"The model reads the views {_listed(model.views)}; this one is labelled "
        f"{_quoted(facts.view_position)}.",
    )


def _orientation(model: ModelFacts, facts: DicomFacts) -> GateResult:
    """Refuse a frontal view that is stored mirrored or turned: the model has seen none.

    References
    ----------
    DICOM PS3.3 C.7.6.1.1.1 (Patient Orientation): rows that run to the left and columns that run
    to the feet are a frontal view as it is looked at.
    """
    if not model.views or facts.patient_orientation is None:
        return GateResult()
    if _view(model, facts).reasons:
        return GateResult()  # Another view lies otherwise by its nature.
    if [way[:1] for way in facts.patient_orientation.split("\\")] == ["L", "F"]:
        return GateResult()
    return _refused(
        "wrong_orientation",
        "The model reads upright frontal views with the patient's left at the right edge; this "
        "image states that it is stored mirrored or turned.",
    )


def _age(model: ModelFacts, facts: DicomFacts) -> GateResult:
    if model.minimum_age_years <= 0:
        return GateResult()
    if facts.patient_age_years is None:
        return _caution(
            "age_unknown",
            "It is not known how old the patient was; the model is not made for people under "
            f"{model.minimum_age_years:g}.",
        )
    if facts.patient_age_years >= model.minimum_age_years:
        return _age_in_doubt(facts)
    return _refused(
        _UNDER_AGE,
        f"The model is made for people aged {model.minimum_age_years:g} or more; this patient is "
        "younger.",
    )


def _age_in_doubt(facts: DicomFacts) -> GateResult:
    if not facts.patient_age_in_doubt:
        return GateResult()
    return _caution(
        "age_contradictory",
        "The patient's age and birth dates contradict each other; the lowest age was used.",
    )


def _raw(_model: ModelFacts, facts: DicomFacts) -> GateResult:
    """Refuse raw detector data.

    References
    ----------
    DICOM PS3.3 C.8.11.1.1.1 (Presentation Intent Type).
    """
    if facts.presentation_intent != "FOR PROCESSING":
        return GateResult()
    return _refused(
        "raw_detector_data",
        "The model reads images made for viewing; this one is raw detector data (FOR PROCESSING).",
    )


def check_pixels(model: ModelFacts, image: Image) -> GateResult:
    """Judge the pixels alone, after the header has passed."""
    side, results = min(image.pixels.shape), []
    if image.colour:
        results.append(
            _refused("colour_image", "The model reads grey-scale images; this one is in colour.")
        )
    if side < model.minimum_side_pixels:
        results.append(
            _refused(
                "too_small",
                f"The model needs at least {model.minimum_side_pixels} pixels on the shorter side; "
                f"this image has {side}.",
            )
        )
    elif float(image.pixels.max()) - float(image.pixels.min()) < 1e-3:
        results.append(_refused("blank_image", "The image is blank: all of it has one brightness."))
    if image.frames > 1:
        results.append(
            _caution(
                "several_frames",
                f"The file holds {image.frames} frames; only the first was read.",
            )
        )
    return joined(results)


def _listed(words: tuple[str, ...]) -> str:
    return " or ".join(words)


def _quoted(word: str | None) -> str:
    if word is None:
        return "not stated"
    return word if _QUOTABLE.fullmatch(word) else "something else"
