"""One opened model: gate -> prepare -> network -> probabilities, map and what speaks against."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from inference.errors import FileUnreadable, ImageTooLarge, ModelRefused, NotAnImage, PixelError
from inference.gate import check_facts, check_pixels, fit_for_aside, joined
from inference.images import Image, Offered
from inference.model_facts import ModelFacts
from inference.model_folder import (
    AnswerAside,
    Check,
    Interpret,
    Interpreted,
    Networks,
    Prepare,
    Prepared,
    Refusal,
)
from inference.outside import judge_share, outside_share
from inference.prediction import Aside, ModelIdentity, Prediction, Reason
from inference.prevalence import likelihood_ratio

_VIEW_ORDER = {"PA": 0, "AP": 1}


@dataclass(frozen=True)
class _Read:
    """One image that was read, before it becomes a prediction."""

    prepared: Prepared
    answer: Interpreted
    outside_share: float | None
    cautions: tuple[Reason, ...]


@dataclass(frozen=True)
class Model:
    """An opened model; safe to share between threads.

    Attributes
    ----------
    facts, identity
        What it is.
    networks
        Role -> opened network.
    """

    facts: ModelFacts
    identity: ModelIdentity
    networks: Networks
    _prepare: Prepare
    _check: Check | None = None
    _interpret: Interpret | None = None
    _aside: AnswerAside | None = None

    def read(self, images: Sequence[Offered]) -> Prediction:
        """Read the most suitable of these images of one study.

        The gate judges every header. Of those that pass, a PA view comes before an AP view before
        an unknown one. They are opened in this order, one at a time, and the first that gate,
        `prepare` and the interpretation accept is the answer. `cannot_read` carries the reasons of
        all of them, and an aside where the folder has one for this child.
        """
        if not images:
            return self._cannot_read((Reason("no_image", "There is no image to read."),), {})
        timings: dict[str, float] = {}
        with _timed(timings, "gate"):
            headers = [check_facts(self.facts, one.facts) for one in images]
        reasons = [reason for gate in headers for reason in gate.reasons]
        passed = [index for index, gate in enumerate(headers) if not gate.reasons]
        for index in _in_order(images, passed):
            found = self._read_one(images[index], timings)
            if isinstance(found, Refusal):
                reasons.extend(found.reasons)
                continue
            return self._prediction(found, index, headers[index].cautions, timings)
        index, aside = self._look_aside(images, timings)
        refused = self._cannot_read(tuple(dict.fromkeys(reasons)), timings)
        return replace(refused, image_index=index, aside=aside)

    def prepare(self, image: Image) -> Prepared | Refusal:
        """Turn an image into what the classifier is shown (the folder's own `prepare`)."""
        return self._prepare(image, self.networks)

    def classify(self, prepared: Prepared) -> Interpreted:
        """Run the classifier and interpret what it says.

        Raises
        ------
        ModelRefused
            An output is not finite, or does not fit the facts.
        """
        outputs = self.networks["classifier"].run(prepared.array)
        if not all(np.isfinite(output).all() for output in outputs):
            raise ModelRefused("A network's outputs must be finite numbers; they are not.")
        if self._interpret is not None:
            return self._interpret(prepared, outputs)
        return interpret_outputs(self.facts, outputs)

    def _read_one(self, offered: Offered, timings: dict[str, float]) -> _Read | Refusal:
        """Read one image whose header has passed; the networks' own answer can refuse it too."""
        prepared = self._open(offered, timings)
        if isinstance(prepared, Refusal):
            return prepared
        with _timed(timings, "network"):
            answer = self.classify(prepared)
        share = outside_share(answer.heat_map, prepared.organ)
        judged = judge_share(self.facts, share if self._positive(answer) else None)
        if reasons := (*answer.reasons, *judged.reasons):
            return Refusal(reasons)
        cautions = (*prepared.cautions, *answer.cautions, *judged.cautions)
        return _Read(prepared, answer, share, cautions)

    def _open(self, offered: Offered, timings: dict[str, float]) -> Prepared | Refusal:
        """Look at one image; when this returns, nothing holds its pixels any more."""
        with offered.opened() as image:
            return self._look_at(image, timings)

    def _look_at(self, image: Image, timings: dict[str, float]) -> Prepared | Refusal:
        """Judge the pixels and prepare them; the gate's cautions come before those of `prepare`."""
        with _timed(timings, "gate"):
            gate = check_pixels(self.facts, image)
            if self._check is not None and not gate.reasons:
                gate = joined((gate, self._check(image)))
        if gate.reasons:
            return Refusal(gate.reasons)
        with _timed(timings, "prepare"):
            found = self.prepare(image)
        if isinstance(found, Refusal):
            return found
        return replace(found, cautions=(*gate.cautions, *found.cautions))

    def _prediction(
        self, read: _Read, index: int, cautions: tuple[Reason, ...], timings: Mapping[str, float]
    ) -> Prediction:
        answer, prevalence = read.answer, self.facts.reference_prevalence
        probability = float(answer.classes[self.facts.target])
        positive = self._positive(answer)
        return Prediction(
            status="ok",
            model=self.identity,
            probability=probability,
            positive=positive,
            classes=dict(answer.classes),
            interval=answer.interval,
            cautions=tuple(dict.fromkeys((*cautions, *read.cautions))),
            image_index=index,
            heat_map=answer.heat_map,
            heat_map_box=read.prepared.box,
            timings_ms=dict(timings),
            likelihood_ratio=likelihood_ratio(probability, prevalence) if prevalence else None,
            outside_share=read.outside_share,
            extent=answer.extent if positive else None,
        )

    def _positive(self, answer: Interpreted) -> bool:
        probability = float(answer.classes[self.facts.target])
        return probability >= self.facts.operating_point.threshold

    def _look_aside(
        self, images: Sequence[Offered], timings: dict[str, float]
    ) -> tuple[int, Aside | None]:
        """Ask the folder's `aside` about the best image that is refused for the age alone."""
        if self._aside is None:
            return 0, None
        young = fit_for_aside(self.facts, [one.facts for one in images])
        for index in _in_order(images, young):
            aside = self._aside_of(self._aside, images[index], timings)
            if aside is not None:
                return index, aside
        return 0, None

    def _aside_of(
        self, answer: AnswerAside, offered: Offered, timings: dict[str, float]
    ) -> Aside | None:
        with ExitStack() as stack:
            try:
                image = stack.enter_context(offered.opened())
            except (FileUnreadable, NotAnImage, PixelError, ImageTooLarge):
                return None  # It is refused all the same: no aside is no error.
            prepared = self._look_at(image, timings)
            if isinstance(prepared, Refusal):
                return None
            with _timed(timings, "aside"):
                aside = answer(image, prepared, self.networks)
        return None if aside is None else self._checked_aside(aside, offered, prepared)

    def _checked_aside(self, aside: Aside, offered: Offered, prepared: Prepared) -> Aside:
        """Add what the gate and `prepare` noticed; an aside never speaks of the target."""
        target = self.facts.class_named(self.facts.target)
        if {target.key, target.label} & set(aside.classes):
            raise ModelRefused("An aside must not give a probability of the model's target.")
        noticed = (*check_facts(self.facts, offered.facts).cautions, *prepared.cautions)
        return replace(aside, cautions=tuple(dict.fromkeys((*noticed, *aside.cautions))))

    def _cannot_read(self, reasons: tuple[Reason, ...], timings: Mapping[str, float]) -> Prediction:
        return Prediction("cannot_read", self.identity, reasons=reasons, timings_ms=dict(timings))


def interpret_outputs(facts: ModelFacts, outputs: tuple[np.ndarray, ...]) -> Interpreted:
    """Interpret outputs in the generic way described in `inference.models`.

    Parameters
    ----------
    outputs
        Probabilities, shape (n, classes); and optionally the class activation map in logits, shape
        (n, h, w) or (n, h, w, 1).

    Raises
    ------
    ModelRefused
        Not one probability for each class, each in 0..1.
    """
    probabilities = outputs[0].mean(axis=0) if outputs[0].ndim == 2 else outputs[0]
    if probabilities.shape != (len(facts.classes),):
        raise ModelRefused(
            f"The classifier must give {len(facts.classes)} probabilities; its output has shape "
            f"{outputs[0].shape}."
        )
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ModelRefused("The classifier must give probabilities from 0 to 1; it gave others.")
    keys = [one.key for one in facts.classes]
    classes = dict(zip(keys, (float(p) for p in probabilities), strict=True))
    if len(outputs) < 2:
        return Interpreted(classes)
    activation = outputs[1][..., 0] if outputs[1].ndim == 4 else outputs[1]
    low, high = facts.heat_map_range
    scaled = np.clip((activation.mean(axis=0) - low) / (high - low), 0.0, 1.0)
    return Interpreted(classes, heat_map=scaled.astype(np.float32))


def _in_order(images: Sequence[Offered], positions: Sequence[int]) -> list[int]:
    """Put these positions in order, the best view first."""

    def rank(index: int) -> int:
        facts = images[index].facts
        return _VIEW_ORDER.get((facts.view_position if facts else None) or "", 2)

    return sorted(positions, key=rank)


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    spent = (time.perf_counter() - start) * 1000
    timings[step] = round(timings.get(step, 0.0) + spent, 2)
