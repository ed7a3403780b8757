"""Random changes of a lung box that keep its diagnosis and blur its origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.models.chest_xray import prepare
from training.chest_xray.settings import Mitigation

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
_SIDE = prepare.INPUT_SIDE
# Sharpness varies from rather coarse to the input's own.
_COARSEST, _COARSEST_DEGRADED = 0.6, 0.45
# Sizes were chosen on 160 pixels.
_UNIT = _SIDE / 160


@dataclass(frozen=True)
class Picture:
    """A lung box with what training may change.

    Attributes
    ----------
    equalised, hull : numpy.ndarray
        As in ``prepare.Crop``.
    lungs : numpy.ndarray
        uint8, same shape, 1 where the lung finder marked a lung.
    """

    equalised: Bytes
    hull: Bytes
    lungs: Bytes


def augmented(
    own: Picture, other: Picture, rng: np.random.Generator, mitigation: Mitigation
) -> Floats:
    """A changed copy of the classifier's input.

    Parameters
    ----------
    own : Picture
        The picture whose label counts.
    other : Picture
        A picture of any source and label, which may lend its frame or its coarse contrast.
    rng : numpy.random.Generator
        Source of every choice.
    mitigation : Mitigation
        How often what is done against shortcuts.

    Returns
    -------
    numpy.ndarray
        float32, shape (INPUT_SIDE, INPUT_SIDE), 0..1.
    """
    picture = own
    if rng.random() < mitigation.frame_swap:
        picture = framed(own, other, rng)
    values = picture.equalised
    if rng.random() < mitigation.amplitude_mix:
        values = amplitude_mixed(values, other.equalised, rng)
    # The hull's outline alone tells the source (AUC 0.79): move it apart from the lungs.
    hull = cv2.warpAffine(picture.hull, _motion(rng, 0.05, 4, 0.03), (_SIDE, _SIDE))
    values = _toned(values, rng)
    coarsest = _COARSEST
    if rng.random() < mitigation.degraded:
        values, coarsest = degraded(values, rng), _COARSEST_DEGRADED
    part = prepare.Crop(values, np.asarray(hull, np.uint8))
    sharpness = int(rng.integers(round(coarsest * _SIDE), _SIDE + 1))
    moved = _moved(prepare.compose(part, sharpness), rng)
    if rng.random() < 0.5:
        moved = _erased(moved, rng)
    noise = rng.normal(0, rng.uniform(0, 0.05), moved.shape)
    return np.clip(moved + noise, 0, 1).astype(np.float32)


def framed(own: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    """The lungs of one picture in the frame (heart, ribs' edge, outline) of another.

    Both lung boxes fill the input, so lungs lie on lungs. What is kept of ``own`` is the union of
    both pictures' lungs, widened and feathered at random: neither the frame nor the outline of the
    mask says any more from which source the label comes.
    """
    width = int(rng.integers(1, 6))
    around = np.ones((width, width), np.uint8)
    both = np.asarray(cv2.dilate(own.lungs | other.lungs, around), np.uint8)
    share = cv2.GaussianBlur(both.astype(np.float32), (0, 0), float(rng.uniform(0.7, 2.0)))
    mixed = own.equalised * share + other.equalised * (1 - share)
    hull = other.hull | (both * np.uint8(255))
    return Picture(mixed.astype(np.uint8), hull, own.lungs)


def amplitude_mixed(values: Bytes, other: Bytes, rng: np.random.Generator) -> Bytes:
    """Coarse contrast of another picture: its lowest Fourier amplitudes, phases kept.

    References
    ----------
    Yang and Soatto, Fourier domain adaptation for semantic segmentation, CVPR 2020.
    """
    own = np.fft.rfft2(values.astype(np.float32))
    amplitude, theirs = np.abs(own), np.abs(np.fft.rfft2(other.astype(np.float32)))
    reach, share = max(1, round(0.03 * _SIDE)), rng.uniform()
    mixed = amplitude.copy()
    for rows in (slice(0, reach + 1), slice(_SIDE - reach, _SIDE)):
        part = (rows, slice(0, reach + 1))
        mixed[part] = (1 - share) * amplitude[part] + share * theirs[part]
    mixed[0, 0] = amplitude[0, 0]  # the mean grey stays
    changed = np.fft.irfft2(own * (mixed / np.maximum(amplitude, 1e-6)), s=values.shape)
    return np.clip(changed, 0, 255).astype(np.uint8)


def degraded(values: Bytes, rng: np.random.Generator) -> Bytes:
    """Another history: compressed, blurred, sharpened, locally equalised."""
    changed: Any = values
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        changed = cv2.imdecode(cv2.imencode(".jpg", changed, quality)[1], cv2.IMREAD_GRAYSCALE)
    if rng.random() < 0.4:
        changed = cv2.GaussianBlur(changed, (0, 0), float(rng.uniform(0.4, 1.2)))
    if rng.random() < 0.3:
        changed = cv2.addWeighted(changed, 1.6, cv2.GaussianBlur(changed, (0, 0), 1.5), -0.6, 0)
    if rng.random() < 0.4:
        changed = cv2.createCLAHE(float(rng.uniform(1, 3)), (4, 4)).apply(changed)
    return np.asarray(changed, np.uint8)


def _toned(values: Bytes, rng: np.random.Generator) -> Bytes:
    """Another grey curve, by a table of 256 values."""
    curve = np.linspace(0, 1, 256) ** float(np.exp(rng.normal(0, 0.25)))
    curve = (curve - 0.5) * rng.uniform(0.7, 1.15) + 0.5 + rng.normal(0, 0.05)
    table = np.clip(np.rint(curve * 255), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(values, table), np.uint8)


def _motion(
    rng: np.random.Generator, zoom: float, degrees: float, shift: float
) -> NDArray[np.float64]:
    """An affine matrix about the centre; the arguments are standard deviations."""
    centre = (_SIDE / 2, _SIDE / 2)
    scale = float(np.exp(rng.normal(0, zoom)))
    matrix = cv2.getRotationMatrix2D(centre, rng.normal(0, degrees), scale)
    moved = np.array([[0, 0, 1], [0, 0, 1]]) * rng.normal(0, shift * _SIDE, (2, 1))
    return np.asarray(matrix + moved, np.float64)


def _moved(values: Floats, rng: np.random.Generator) -> Floats:
    matrix = _motion(rng, 0.08, 6, 0.04)
    matrix[0] *= rng.uniform(0.9, 1.1)  # chests are broad and narrow
    moved = cv2.warpAffine(values, matrix, (_SIDE, _SIDE), borderValue=prepare.GREY)
    if rng.random() < 0.5:
        moved = moved[:, ::-1]
    return np.ascontiguousarray(moved, np.float32)


def _erased(values: Floats, rng: np.random.Generator) -> Floats:
    """Grey out one or two ovals, so that no single spot decides."""
    values = values.copy()
    for _ in range(int(rng.integers(1, 3))):
        x, y = (int(v) for v in rng.integers(0, _SIDE, 2))
        axes = tuple(round(_UNIT * int(v)) for v in rng.integers(8, 28, 2))
        cv2.ellipse(values, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, prepare.GREY, -1)
    return values
