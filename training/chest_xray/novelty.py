"""Distance from the training images in the classifier's feature space (the last gate).

A picture that passes header, pixels, orientation and lung box may still be nothing that the network
has learned from. Two distances are compared: cosine distance to the nearest training images (Sun
2022), and Mahalanobis distance from their mean or from the nearest class mean (Lee 2018), with a
covariance that is exact along the principal components and one variance across (Tipping 1999).
The threshold comes from chest X-rays of sources that the reference does not contain, because a new
hospital is such a source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from keras import layers, ops
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from training.chest_xray.gate_settings import NoveltySettings
from training.chest_xray.protocol import Fitting
from training.chest_xray.table import Row
from training.errors import TableError
from training.markdown import table

Floats = NDArray[np.float32]
Method = Literal["knn", "mahalanobis", "mahalanobis_by_class"]
METHODS: tuple[Method, ...] = ("knn", "mahalanobis", "mahalanobis_by_class")
_LEAST_IMAGES = 50
_CHILDREN, _KNOWN = "children_refused", "known_sources_refused"


@dataclass(frozen=True)
class Distance:
    """A fitted distance; the same arrays serve numpy and the exported network.

    Attributes
    ----------
    method : str
        One of ``METHODS``.
    centres : numpy.ndarray
        float32, shape (centres, features): the mean, or the mean of each class.
    projection : numpy.ndarray
        float32, shape (features, components): orthonormal principal components.
    variances : numpy.ndarray
        float32, shape (components + 1,): along each component, and across all of them.
    bank : numpy.ndarray
        float32, shape (components, images): projected training images of length one (kNN), or
        shape (components, 0).
    neighbours : int
        How many nearest images count (kNN).
    """

    method: Method
    centres: Floats
    projection: Floats
    variances: Floats
    bank: Floats
    neighbours: int

    def __call__(self, features: Floats) -> Floats:
        """Distance of each image: features (images, features) -> (images,), 0 = nearest."""
        if not len(features):
            return np.zeros(0, np.float32)
        return np.asarray(distance_layers(self)(np.asarray(features, np.float32)))[:, 0]


class FeatureDistance(layers.Layer):  # type: ignore[misc]
    """The distance as a layer: pooled features (batch, features) -> (batch, 1)."""

    def __init__(self, distance: Distance, **options: Any) -> None:
        super().__init__(**options)
        self.distance = distance

    def call(self, features: Any) -> Any:
        """(batch, features) -> (batch, 1)."""
        own = self.distance
        if own.method == "knn":
            return _cosine(features, own)
        offsets = ops.expand_dims(features, 1) - own.centres[None]  # (batch, centres, features)
        inside = ops.matmul(offsets, own.projection)
        total = ops.sum(offsets**2, axis=-1)
        along = ops.sum(inside**2 / own.variances[:-1], axis=-1)
        across = (total - ops.sum(inside**2, axis=-1)) / own.variances[-1]
        squared = ops.maximum(along + across, 0.0) / own.projection.shape[0]
        return ops.sqrt(ops.min(squared, axis=1, keepdims=True))


def _cosine(features: Any, own: Distance) -> Any:
    inside = ops.matmul(features - own.centres, own.projection)
    length = ops.sqrt(ops.sum(inside**2, axis=-1, keepdims=True))
    alike = ops.matmul(inside / ops.maximum(length, 1e-6), own.bank)
    nearest = ops.top_k(alike, own.neighbours)[0]
    return 1.0 - ops.mean(nearest, axis=-1, keepdims=True)


def distance_layers(distance: Distance) -> FeatureDistance:
    """What is baked into the exported classifier, behind its pooled features."""
    return FeatureDistance(distance, name="distance")


def fit_distance(
    method: Method, features: Floats, rows: tuple[Row, ...], own: NoveltySettings
) -> Distance:
    """Fit a distance to reference images.

    Parameters
    ----------
    method : str
        One of ``METHODS``.
    features : numpy.ndarray
        float32, shape (images, features), of the reference.
    rows : tuple of Row
        Their rows; the classes are taken from them.
    own : NoveltySettings
        Section ``[novelty]``.
    """
    labels = np.array([row.label for row in rows])
    names = np.unique(labels) if method == "mahalanobis_by_class" else np.array([""])
    members = [labels == name if name else np.ones(len(labels), bool) for name in names]
    centres = np.stack([features[m].mean(axis=0) for m in members])
    within = features - centres[np.argmax(np.stack(members), axis=0)]
    components = min(own.components, len(rows) - 2, features.shape[1] - 1)
    pca = PCA(components, svd_solver="covariance_eigh").fit(within)
    projection = np.ascontiguousarray(pca.components_.T, np.float32)
    variances = np.append(pca.explained_variance_, pca.noise_variance_)
    bank = np.zeros((components, 0), np.float32)
    if method == "knn":
        inside = (features - centres) @ projection
        bank = (inside / np.linalg.norm(inside, axis=1, keepdims=True)).T
    return Distance(
        method, centres.astype(np.float32), projection,
        np.maximum(variances, 1e-6).astype(np.float32), bank.astype(np.float32),
        min(own.neighbours, len(rows)),
    )  # fmt: skip


@dataclass(frozen=True)
class Novelty:
    """The chosen distance and when it refuses.

    Attributes
    ----------
    distance : Distance
        Fitted to all reference images.
    threshold : float
        Above it an image is unlike the training images.
    figures : dict
        JSON: per method the threshold, what it refuses of each source left out and of each kind of
        stranger; which was chosen.
    """

    distance: Distance
    threshold: float
    figures: dict[str, Any]

    def as_trained(self) -> dict[str, Any]:
        """What ``trained.json`` holds under "novelty"."""
        return {"method": self.distance.method, "threshold": round(self.threshold, 6)}


@dataclass(frozen=True)
class LeftOut:
    """What a network makes of a source that neither trained it nor is in the reference.

    Attributes
    ----------
    name : str
        The source or sources.
    reference : numpy.ndarray
        float32, shape (images, features): adults that trained that network.
    rows : tuple of Row
        Of the reference.
    unseen : numpy.ndarray
        float32, shape (images, features): adults of the source left out.
    """

    name: str
    reference: Floats
    rows: tuple[Row, ...]
    unseen: Floats


def left_out(fitting: Fitting, features: Floats, rows: tuple[Row, ...]) -> LeftOut:
    """The adults of a network with sources left out.

    Parameters
    ----------
    fitting : Fitting
        A "without" network of the run.
    features : numpy.ndarray
        float32, shape (images, features): what that network makes of all images.
    rows : tuple of Row
        The row of each.
    """
    reference = _adults(rows, {row.path for row in fitting.training})
    unseen = _adults(rows, {row.path for row in fitting.judged if row.source in fitting.left_out})
    kept = tuple(row for row, wanted in zip(rows, reference, strict=True) if wanted)
    return LeftOut("-".join(fitting.left_out), features[reference], kept, features[unseen])


def _adults(rows: tuple[Row, ...], wanted: set[str]) -> NDArray[np.bool_]:
    return np.array([row.path in wanted and not row.child for row in rows], bool)


def fit_novelty(
    features: Floats,
    rows: tuple[Row, ...],
    fitting: Fitting,
    unseen: Sequence[LeftOut],
    strangers: Mapping[str, Floats],
    own: NoveltySettings,
) -> Novelty:
    """Choose the distance that refuses most strangers at an equal cost in unseen hospitals.

    Parameters
    ----------
    features : numpy.ndarray
        float32, shape (images, features): what the served network makes of all images.
    rows : tuple of Row
        The row of each.
    fitting : Fitting
        The served network's: the adults that trained it are the reference.
    unseen : sequence of LeftOut
        The threshold comes from them.
    strangers : mapping
        Kind -> what the served network makes of pictures that are no chest X-rays, shown to it by
        force (see ``strangers.shown_by_force``).
    own : NoveltySettings
        Section ``[novelty]``.
    """
    seen = {row.path for row in fitting.training}
    trained = _adults(rows, seen)
    kept = tuple(row for row, wanted in zip(rows, trained, strict=True) if wanted)
    child = np.array([row.child for row in rows], bool)
    new = np.array([row.path not in seen for row in rows], bool)
    others = {**strangers, _CHILDREN: features[child & new], _KNOWN: features[~child & new]}
    distances = {m: fit_distance(m, features[trained], kept, own) for m in METHODS}
    found = {m: _judged(distances[m], unseen, others, own) for m in METHODS}
    best = max(METHODS, key=lambda method: found[method]["strangers_refused"])
    figures = {"chosen": best, "methods": found, "reference": len(kept)}
    return Novelty(distances[best], float(found[best]["threshold"]), figures)


def _judged(
    distance: Distance,
    unseen: Sequence[LeftOut],
    others: Mapping[str, Floats],
    own: NoveltySettings,
) -> dict[str, Any]:
    """The threshold of a method from sources left out, and what it refuses then."""
    if not (known := [one for one in unseen if len(one.unseen)]):
        raise TableError("the threshold of the distance must see a source left out; there is none")
    # Of a handful of images the quantile is the maximum: they count only where there are no others.
    many = [one for one in known if len(one.unseen) >= _LEAST_IMAGES] or known
    away = {
        one.name: fit_distance(distance.method, one.reference, one.rows, own)(one.unseen)
        for one in many
    }
    threshold = max(float(np.quantile(one, 1 - own.refused)) for one in away.values())
    shares = {kind: _share(distance(shown) > threshold) for kind, shown in others.items()}
    apart = {name: shares.pop(name) for name in (_CHILDREN, _KNOWN)}
    return {
        "threshold": round(threshold, 6),
        "left_out_refused": {name: _share(one > threshold) for name, one in away.items()},
        "left_out_images": {name: len(one) for name, one in away.items()},
        "strangers": shares,
        "strangers_refused": round(float(np.mean(list(shares.values()))), 4),
        **apart,
    }


def _share(hits: NDArray[np.bool_]) -> float:
    return round(float(hits.mean()), 4) if len(hits) else 0.0


_METHOD_NAMES = {
    "knn": "cosine distance to the nearest training images",
    "mahalanobis": "Mahalanobis distance from their mean",
    "mahalanobis_by_class": "Mahalanobis distance from the nearest class mean",
}


def tables(figures: dict[str, Any]) -> list[str]:
    """Markdown for the model card."""
    head = ("", "no chest X-ray, shown by force", "worst source left out", "known sources, new "
            "images", "children")  # fmt: skip
    lines = []
    for method, found in figures["methods"].items():
        mark = " (served)" if method == figures["chosen"] else ""
        worst = max(found["left_out_refused"].values())
        shares = (found["strangers_refused"], worst, found[_KNOWN], found[_CHILDREN])
        lines.append((f"{_METHOD_NAMES[method]}{mark}", *(f"{share:.3f}" for share in shares)))
    return [
        "**Distance in feature space**: share refused at the threshold that sources left out allow "
        f"(reference: {figures['reference']} images of adults; kinds of strangers count equally)",
        table(head, lines),
    ]
