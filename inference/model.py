"""One opened model: gate -> prepare -> network -> probabilities -> map."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from inference.errors import ModelRefused
from inference.gate import check_facts, check_pixels, joined
from inference.images import Image, Offered
from inference.model_facts import ModelFacts
from inference.model_folder import (
    Check,
    GateResult,
    Interpret,
    Interpreted,
    Networks,
    Prepare,
    Prepared,
    Refusal,
)
from inference.prediction import ModelIdentity, Prediction, Reason

_VIEW_ORDER = {"PA": 0, "AP": 1}


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

    def read(self, images: Sequence[Offered]) -> Prediction:
        """Read the most suitable of these images of one study.

        The gate judges every header. Of those that pass, a PA view comes before an AP view before
        an unknown one. They are opened in this order, one at a time, and the first that gate and
        `prepare` accept is read. `cannot_read` carries the reasons of all of them.
        """
        if not images:
            return self._cannot_read((Reason("no_image", "There is no image to read."),), {})
        timings: dict[str, float] = {}
        with _timed(timings, "gate"):
            headers = [check_facts(self.facts, one.facts) for one in images]
        reasons = [reason for gate in headers for reason in gate.reasons]
        for index in _in_order(images, headers):
            found = self._open(images[index], timings)
            if isinstance(found, Refusal):
                reasons.extend(found.reasons)
                continue
            with _timed(timings, "network"):
                answer = self.classify(found)
            cautions = (*headers[index].cautions, *found.cautions, *answer.cautions)
            return self._prediction(answer, found, index, cautions, timings)
        return self._cannot_read(tuple(dict.fromkeys(reasons)), timings)

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
        self,
        answer: Interpreted,
        prepared: Prepared,
        index: int,
        cautions: tuple[Reason, ...],
        timings: Mapping[str, float],
    ) -> Prediction:
        probability = float(answer.classes[self.facts.target])
        return Prediction(
            status="ok",
            model=self.identity,
            probability=probability,
            positive=probability >= self.facts.operating_point.threshold,
            classes=dict(answer.classes),
            interval=answer.interval,
            cautions=tuple(dict.fromkeys(cautions)),
            image_index=index,
            heat_map=answer.heat_map,
            heat_map_box=prepared.box,
            timings_ms=dict(timings),
        )

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


def _in_order(images: Sequence[Offered], gates: Sequence[GateResult]) -> list[int]:
    """Positions of the images that passed, the best view first."""
    passed = [index for index, gate in enumerate(gates) if not gate.reasons]

    def rank(index: int) -> int:
        facts = images[index].facts
        return _VIEW_ORDER.get((facts.view_position if facts else None) or "", 2)

    return sorted(passed, key=rank)


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    spent = (time.perf_counter() - start) * 1000
    timings[step] = round(timings.get(step, 0.0) + spent, 2)
