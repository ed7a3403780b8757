"""The two networks of the model, in Keras 3; imported by training only.

``lung_finder`` is a small U-Net (Ronneberger 2015). ``classifier`` is EfficientNet-Lite0 (Tan 2019;
the variant without squeeze-and-excitation, with ReLU6) for one grey channel, ending in global
average pooling and one dense layer, so that the class activation map needs no gradients.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import layers, ops

# TensorFlow's values, with which the ImageNet weights were trained.
BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.99
FEATURE_MAP = "feature_map"
POOL = "pool"
HEAD = "head"
OWN_BACKBONE = "efficientnet_lite0"


@dataclass(frozen=True)
class Stage:
    """A row of EfficientNet's table: how often, kernel, stride, expansion, width."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def _norm(x: Any, name: str, *, relu: bool) -> Any:
    x = layers.BatchNormalization(
        epsilon=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM, name=name
    )(x)
    return layers.ReLU(max_value=6.0, name=f"{name}_relu")(x) if relu else x


def _block(x: Any, name: str, stage: Stage, stride: int) -> Any:
    """Inverted residual: widen, filter each channel, narrow; add the input where shapes allow."""
    came_in, width_in = x, int(x.shape[-1])
    if stage.expansion > 1:
        x = layers.Conv2D(width_in * stage.expansion, 1, use_bias=False, name=f"{name}_expand")(x)
        x = _norm(x, f"{name}_expand_norm", relu=True)
    x = layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = _norm(x, f"{name}_depthwise_norm", relu=True)
    x = layers.Conv2D(stage.width, 1, use_bias=False, name=f"{name}_project")(x)
    x = _norm(x, f"{name}_project_norm", relu=False)
    if stride == 1 and width_in == stage.width:
        x = layers.Add(name=f"{name}_add")([came_in, x])
    return x


def backbone(pixels: int, name: str = OWN_BACKBONE, weights: str | None = None) -> keras.Model:
    """A network without its classifier, for one grey channel.

    Parameters
    ----------
    pixels : int
        Side of the square input.
    name : str
        ``"efficientnet_lite0"``, or a network of ``keras.applications`` such as ``"InceptionV3"``.
    weights : str or None
        What ``keras.applications`` shall start from ("imagenet", a file, or None: chance). It does
        not concern EfficientNet-Lite0, whose weights training sets.

    Returns
    -------
    keras.Model
        (batch, pixels, pixels, 1) in 0..1 -> (batch, cells, cells, features).

    Raises
    ------
    ValueError
        ``keras.applications`` has no network of this name.
    """
    if name == OWN_BACKBONE:
        return efficientnet_lite0(pixels)
    build = getattr(keras.applications, name, None)
    if not callable(build):
        raise ValueError(f"the backbone must be one of keras.applications; got {name!r}")
    image = keras.Input((pixels, pixels, 1), name="image")
    colours = layers.Concatenate(name="three_channels")([image, image, image])
    # The functions that scale an application's input live in the module that defines it.
    scale = sys.modules[build.__module__].preprocess_input
    x = Scaled(scale, name="scale")(colours)
    base = build(include_top=False, weights=weights, input_shape=(pixels, pixels, 3))
    return keras.Model(image, layers.Identity(name=FEATURE_MAP)(base(x)), name=name.lower())


class Scaled(layers.Layer):  # type: ignore[misc]
    """An application's own scaling of 0..255, on 0..1."""

    def __init__(self, scale: Callable[[Any], Any], **options: Any) -> None:
        super().__init__(**options)
        self.scale = scale

    def call(self, image: Any) -> Any:
        """(..., 3) -> the same shape."""
        return self.scale(image * 255.0)


def efficientnet_lite0(pixels: int) -> keras.Model:
    """EfficientNet-Lite0 without its classifier.

    Parameters
    ----------
    pixels : int
        Side of the square input.

    Returns
    -------
    keras.Model
        (batch, pixels, pixels, 1) in 0..1 -> (batch, pixels / 32, pixels / 32, 1280).
    """
    image = keras.Input((pixels, pixels, 1), name="image")
    # ImageNet's own scale was (value - 127) / 128 on 0..255.
    x = layers.Rescaling(255.0 / 128.0, offset=-127.0 / 128.0, name="scale")(image)
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = _norm(x, "stem_norm", relu=True)
    for number, stage in enumerate(STAGES):
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            x = _block(x, f"stage{number}_{repeat}", stage, stride)
    x = layers.Conv2D(1280, 1, use_bias=False, name="top")(x)
    x = _norm(x, "top_norm", relu=True)
    return keras.Model(image, layers.Identity(name=FEATURE_MAP)(x), name="efficientnet_lite0")


def classifier(
    pixels: int,
    classes: int,
    dropout: float,
    name: str = OWN_BACKBONE,
    weights: str | None = None,
) -> keras.Model:
    """The network that is fine-tuned; see :func:`backbone` for the arguments.

    Returns
    -------
    keras.Model
        (batch, pixels, pixels, 1) in 0..1 -> logits (batch, classes).
    """
    base = backbone(pixels, name, weights)
    x = layers.GlobalAveragePooling2D(name=POOL)(base.output)
    x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(classes, name=HEAD)(x)
    return keras.Model(base.input, logits, name="classifier")


def served_classifier(
    trained: keras.Model, scale: TargetScale, extras: Mapping[str, layers.Layer] | None = None
) -> keras.Model:
    """What is exported: calibrated probabilities, the map of the target class, and more.

    The dense layer is applied to every cell of the feature map. Because it is linear, the mean
    of the cells' logits is the image's logits. The map is the log-likelihood ratio of the target
    class at each cell, that is, how much the model's belief would change if the whole image looked
    like that cell: an absolute scale, comparable between images.

    Parameters
    ----------
    trained : keras.Model
        As built by :func:`classifier`.
    scale : TargetScale
        From log-odds to a probability.
    extras : mapping
        Name of a further output -> layer on the pooled features, in the order of the outputs.

    Returns
    -------
    keras.Model
        Same input -> ``probabilities`` (batch, classes), ``activation`` (batch, rows, columns), and
        the extras.
    """
    features = trained.get_layer(FEATURE_MAP).output
    head = trained.get_layer(HEAD)
    cells = layers.Dense(head.units, name="cells")  # acts on the last axis of any shape
    logits = cells(features)
    pooled = layers.GlobalAveragePooling2D(name="mean_logits")(logits)
    probabilities = Calibrated(scale, name="probabilities")(pooled)
    activation = LikelihoodRatio(scale, name="activation")(logits)
    outputs = [probabilities, activation]
    if extras:
        average = layers.GlobalAveragePooling2D(name="mean_features")(features)
        outputs += [layer(average) for layer in extras.values()]
    model = keras.Model(trained.input, outputs, name="served_classifier")
    cells.set_weights(head.get_weights())
    return model


@dataclass(frozen=True)
class TargetScale:
    """From the network's log-odds of the target class to a probability.

    Attributes
    ----------
    target : int
        Index of the class.
    slope, intercept : float
        probability = sigmoid(slope * log-odds + intercept).
    prior : float
        Log-odds of the prevalence that the probabilities are given for.
    """

    target: int
    slope: float
    intercept: float
    prior: float

    def log_odds(self, logits: Any) -> Any:
        """Calibrated log-odds, (..., classes) -> (...)."""
        wanted = logits[..., self.target]
        rest = ops.logsumexp(self.others(logits), axis=-1)
        return self.slope * (wanted - rest) + self.intercept

    def others(self, logits: Any) -> Any:
        """The logits of all other classes, (..., classes - 1)."""
        before, after = logits[..., : self.target], logits[..., self.target + 1 :]
        return ops.concatenate([before, after], axis=-1)


@keras.saving.register_keras_serializable("wetread")
class Calibrated(layers.Layer):  # type: ignore[misc]
    """Logits to probabilities: the target's calibrated, the others share the rest as they did."""

    def __init__(self, scale: TargetScale | dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.scale = scale if isinstance(scale, TargetScale) else TargetScale(**scale)

    def call(self, logits: Any) -> Any:
        """(batch, classes) -> the same shape, each row sums to 1."""
        target = self.scale.target
        wanted = ops.expand_dims(ops.sigmoid(self.scale.log_odds(logits)), -1)
        rest = ops.softmax(self.scale.others(logits), axis=-1) * (1 - wanted)
        return ops.concatenate([rest[:, :target], wanted, rest[:, target:]], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What Keras needs to build the layer again."""
        return {**super().get_config(), "scale": asdict(self.scale)}


@keras.saving.register_keras_serializable("wetread")
class LikelihoodRatio(layers.Layer):  # type: ignore[misc]
    """Logits to the logarithm of the likelihood ratio of the target class."""

    def __init__(self, scale: TargetScale | dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.scale = scale if isinstance(scale, TargetScale) else TargetScale(**scale)

    def call(self, logits: Any) -> Any:
        """(..., classes) -> (...)."""
        return self.scale.log_odds(logits) - self.scale.prior

    def get_config(self) -> dict[str, Any]:
        """What Keras needs to build the layer again."""
        return {**super().get_config(), "scale": asdict(self.scale)}


def lung_finder(pixels: int, widths: tuple[int, ...] = (16, 32, 64, 96)) -> keras.Model:
    """A U-Net that marks the lungs.

    Parameters
    ----------
    pixels : int
        Side of the square input; a multiple of 8.
    widths : tuple of int
        Channels at full, half, quarter... resolution.

    Returns
    -------
    keras.Model
        (batch, pixels, pixels, 1) in 0..1 -> probability of lung, same shape.
    """
    image = keras.Input((pixels, pixels, 1), name="image")
    x, skips = image, []
    for depth, width in enumerate(widths):
        x = _two_convolutions(x, width, f"down{depth}")
        if depth < len(widths) - 1:
            skips.append(x)
            x = layers.MaxPooling2D(name=f"down{depth}_pool")(x)
    for depth in reversed(range(len(skips))):
        x = layers.UpSampling2D(name=f"up{depth}_double")(x)
        x = layers.Concatenate(name=f"up{depth}_join")([x, skips[depth]])
        x = _two_convolutions(x, widths[depth], f"up{depth}")
    lungs = layers.Conv2D(1, 1, activation="sigmoid", name="lungs")(x)
    return keras.Model(image, lungs, name="lung_finder")


def _two_convolutions(x: Any, width: int, name: str) -> Any:
    for step in ("a", "b"):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}{step}")(x)
        x = _norm(x, f"{name}{step}_norm", relu=True)
    return x
