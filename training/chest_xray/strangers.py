"""Pictures that are no frontal chest X-ray, from the data folder, from packages, and drawn.

They try the gates; nothing is trained on them. Each comes without its header, as an exported
picture would, and grey, so that neither modality nor colour gives it away.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray

from inference.errors import InferenceError
from inference.images import DicomFacts, Image, read_facts, read_image
from inference.models.chest_xray import lung_box, prepare
from inference.quiet_parser import quiet_parser
from training.chest_xray.table import read_pixels

Floats = NDArray[np.float32]
# Number of this part in the seeds of the run.
_PART = 32
_SIDE = 512
_EACH_CT_SET = 100
_DRAWN = 60
_RADIOGRAPHS = frozenset({"CR", "DX"})
_CHEST = frozenset({"CHEST", "THORAX", "LUNG"})
# Packages that come with photographs, and where they keep them.
_PHOTOGRAPHS = (("sklearn", "datasets/images"), ("skimage", "data"))


@dataclass(frozen=True)
class Stranger:
    """One picture that must not be read.

    Attributes
    ----------
    kind : str
        What it shows; a key of the refusal table.
    group : str
        Pictures of one patient or one origin share it.
    pixels : numpy.ndarray
        float32, shape (rows, columns), 0 = black, 1 = white.
    facts : DicomFacts or None
        Its header, where it came with one.
    """

    kind: str
    group: str
    pixels: Floats
    facts: DicomFacts | None = None


def strangers(data: Path, seed: int) -> tuple[Stranger, ...]:
    """Everything there is; what is missing on this machine is left out.

    Parameters
    ----------
    data : pathlib.Path
        The data folder; ``dicom``, ``ct`` and ``ct_dicom`` are used where they exist.
    seed : int
        Of the run.
    """
    rng = np.random.default_rng([seed, _PART])
    return (*_from_dicom(data), *_ct_figures(data, rng), *_projections(data), *_photographs(),
            *_computed(rng))  # fmt: skip


def _from_dicom(data: Path) -> Iterator[Stranger]:
    """Radiographs of other parts, MR, CT and ultrasound; the same picture only once."""
    own = Path(pydicom.__file__).parent / "data" / "test_files"
    seen: set[bytes] = set()
    for path in (*sorted((data / "dicom").glob("*")), *sorted(own.glob("*.dcm"))):
        try:
            facts, image = read_facts(path), read_image(path)
        except InferenceError:
            continue
        thumbnail = cv2.resize(image.pixels, (8, 8), interpolation=cv2.INTER_AREA)
        mark = np.rint(thumbnail * 8).astype(np.uint8).tobytes()
        kind = None if _is_scout(path) else _kind(facts)
        if kind and mark not in seen and min(image.pixels.shape) >= 32:
            seen.add(mark)
            yield Stranger(kind, path.name, image.pixels, facts)


def _is_scout(path: Path) -> bool:
    """A CT's scout is a chest radiograph in all but name (DICOM PS3.3 C.8.2.1.1.1)."""
    with quiet_parser():
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    return "LOCALIZER" in (header.get("ImageType") or ())


def _kind(facts: DicomFacts) -> str | None:
    words = set((facts.body_part or "").split())
    if facts.modality in _RADIOGRAPHS and words and not words & _CHEST:
        return "X-rays of hip and limb"
    names = {"MR": "MR", "CT": "CT slices (DICOM)", "US": "ultrasound"}
    return names.get(facts.modality or "")


def _ct_figures(data: Path, rng: np.random.Generator) -> Iterator[Stranger]:
    if not (data / "ct.csv").is_file():
        return
    with (data / "ct.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name in sorted({row["set"] for row in rows}):
        own = [row for row in rows if row["set"] == name]
        for number in rng.permutation(len(own))[:_EACH_CT_SET]:
            row = own[int(number)]
            yield Stranger("CT slices (pictures)", row["group"], read_pixels(data / row["path"]))


def _projections(data: Path) -> Iterator[Stranger]:
    """Side and oblique views computed from a CT: no real lateral radiograph is at hand.

    The attenuation is added up along parallel rays, as a radiograph does it nearly.
    """
    for folder in sorted((data / "ct_dicom").glob("*")):
        volume = _volume(folder)  # (slices, rows, columns), water = 1
        for degrees in (80, 85, 90, 95, 100, 260, 270, 280):
            yield Stranger("lateral views (computed)", folder.name, projection(volume, degrees))
        for degrees in (40, 50, 130, 140):
            yield Stranger("oblique views (computed)", folder.name, projection(volume, degrees))


def _volume(folder: Path) -> Floats:
    """Attenuation relative to water at a common spacing of 2 mm, the head first."""
    with quiet_parser():
        slices = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    slices.sort(key=lambda one: -float(one.ImagePositionPatient[2]))
    factor = float(slices[0].PixelSpacing[0]) / 2.0
    planes = []
    for one in slices:
        hounsfield = one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept)
        water = np.clip((hounsfield + 1000) / 1000, 0, 3).astype(np.float32)
        planes.append(cv2.resize(water, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    gaps = abs(float(slices[0].ImagePositionPatient[2]) - float(slices[1].ImagePositionPatient[2]))
    repeats = max(1, round(gaps / 2.0))
    return np.repeat(np.stack(planes), repeats, axis=0)


def projection(volume: Floats, degrees: float) -> Floats:
    """A radiograph computed from a CT.

    Parameters
    ----------
    volume : numpy.ndarray
        float32, shape (slices, rows, columns), attenuation with water = 1.
    degrees : float
        0 is the frontal view; 90 a side view.

    Returns
    -------
    numpy.ndarray
        float32, shape (512, 512 or less), 0..1.
    """
    side = volume.shape[2]
    centre = ((side - 1) / 2, (volume.shape[1] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, degrees, 1.0)
    turned = [cv2.warpAffine(plane, matrix, (side, volume.shape[1])) for plane in volume]
    added = np.stack(turned).sum(axis=1)  # (slices, columns): along the rows, front to back
    low, high = np.percentile(added, (1, 99))
    shown = np.clip((added - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
    scale = _SIDE / min(shown.shape)
    return np.asarray(cv2.resize(shown, None, fx=scale, fy=scale), np.float32)


def _photographs() -> Iterator[Stranger]:
    """Those that scikit-learn and scikit-image bring along."""
    for package, folder in _PHOTOGRAPHS:
        found = find_spec(package)
        if found is None or found.origin is None:
            continue
        for path in sorted((Path(found.origin).parent / folder).iterdir()):
            if path.suffix in (".png", ".jpg"):
                pixels = read_pixels(path)
                if min(pixels.shape) >= 64:
                    yield Stranger("photographs", f"{package} {path.name}", pixels)


def _computed(rng: np.random.Generator) -> Iterator[Stranger]:
    """Noise of many grains, black frames, drawings."""
    kinds: dict[str, Callable[[np.random.Generator], Floats]] = {
        "noise": _noise, "black frames": _black_frame, "drawings": _drawing,
    }  # fmt: skip
    for kind, draw in kinds.items():
        for number in range(_DRAWN):
            yield Stranger(kind, f"{kind} {number}", draw(rng))


def _noise(rng: np.random.Generator) -> Floats:
    grain = int(np.exp(rng.uniform(np.log(3), np.log(_SIDE))))
    values = rng.random((grain, grain)).astype(np.float32)
    return np.clip(cv2.resize(values, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC), 0, 1)


def _black_frame(rng: np.random.Generator) -> Floats:
    """Nothing exposed: black with the detector's noise, at times with a letter."""
    values = np.abs(rng.normal(0, rng.uniform(0.001, 0.03), (_SIDE, _SIDE))).astype(np.float32)
    if rng.random() < 0.5:
        place = (int(rng.integers(0, _SIDE - 80)), int(rng.integers(60, _SIDE)))
        values = _written(values, str(rng.choice(["L", "R", "AP"])), place, 1.0)
    return np.clip(values, 0, 1)


def _written(values: Floats, text: str, place: tuple[int, int], grey: float) -> Floats:
    letters = np.zeros(values.shape, np.uint8)  # OpenCV writes on bytes only
    cv2.putText(letters, text, place, cv2.FONT_HERSHEY_SIMPLEX, 2, 255, 5)
    return np.where(letters > 0, np.float32(grey), values)


def _drawing(rng: np.random.Generator) -> Floats:
    """Lines, boxes, ovals and words, dark on light or light on dark."""
    page = np.full((_SIDE, _SIDE), 1.0, np.float32)
    for _ in range(int(rng.integers(4, 20))):
        a, b = (tuple(int(v) for v in rng.integers(0, _SIDE, 2)) for _ in range(2))
        grey, thick = float(rng.uniform(0, 0.7)), int(rng.choice([-1, 2, 4, 9]))
        shape = int(rng.integers(4))
        if shape == 0:
            cv2.line(page, a, b, grey, abs(thick))
        elif shape == 1:
            cv2.rectangle(page, a, b, grey, thick)
        elif shape == 2:
            axes = tuple(int(v) for v in rng.integers(10, 200, 2))
            cv2.ellipse(page, a, axes, float(rng.uniform(0, 180)), 0, 360, grey, thick)
        else:
            page = _written(page, "Wetread", (a[0], a[1]), grey)
    return page if rng.random() < 0.5 else 1 - page


def as_picture(pixels: Floats, least_side: int) -> Image:
    """An image as if it had been read from a PNG file without a header.

    Parameters
    ----------
    pixels : numpy.ndarray
        float32, shape (rows, columns), 0..1.
    least_side : int
        Smaller pictures are enlarged to it, so that the gates after the first are tried too.
    """
    factor = max(1.0, least_side / min(pixels.shape))
    if factor > 1:
        pixels = cv2.resize(pixels, None, fx=factor, fy=factor).astype(np.float32)
    stored = np.rint(pixels * 65535).astype(np.uint16)
    return Image(pixels, stored, (32767.5, 65535.0), inverted=False, colour=False, frames=1,
                 source="picture", spacing_mm=None, facts=None)  # fmt: skip


def shown_by_force(
    others: tuple[Stranger, ...], hulls: NDArray[np.uint8], seed: int
) -> dict[str, Floats]:
    """Strangers as the classifier would see them if the lung finder had been fooled.

    Most never get that far; the distance behind it must know them all the same. The outline is
    that of a real chest, so that it cannot give them away.

    Parameters
    ----------
    others : tuple of Stranger
        See :func:`strangers`.
    hulls : numpy.ndarray
        uint8, shape (images, side, side): outlines of lungs to draw from (``Crops.hull``).
    seed : int
        Of the run.

    Returns
    -------
    dict
        Kind -> float32, shape (pictures, INPUT_SIDE, INPUT_SIDE, 1), 0..1.
    """
    rng = np.random.default_rng([seed, _PART, 1])
    found: dict[str, list[Floats]] = {}
    for one in others:
        hull = hulls[int(rng.integers(len(hulls)))]
        found.setdefault(one.kind, []).append(_forced(one.pixels, hull))
    return {kind: np.stack(shown)[..., None] for kind, shown in found.items()}


def _forced(pixels: Floats, hull: NDArray[np.uint8]) -> Floats:
    """Crop and equalise as serving does, within an outline that comes from elsewhere."""
    whole = lung_box.working_picture(pixels)
    top, left, bottom, right = lung_box.trimmed(whole)
    picture = np.ascontiguousarray(whole[top:bottom, left:right])
    scale = np.array(picture.shape[::-1]) / hull.shape[::-1]
    points = np.argwhere(hull > 0)[:, ::-1] * scale
    outline = np.asarray(cv2.convexHull(np.rint(points).astype(np.int32))[:, 0], np.int32)
    mask = np.zeros((lung_box.FINDER_SIDE,) * 2, np.uint8)
    lungs = lung_box.Lungs((0, 0, 1, 1), outline, (0, 0, *picture.shape), mask)
    return prepare.compose(prepare.crop(picture, lungs))
