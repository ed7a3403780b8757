"""The two networks of the model, in Keras 3; imported by training only.

``lung_finder`` is a small U-Net (Ronneberger 2015). ``classifier`` is EfficientNet-Lite0 (Tan 2019;
the variant without squeeze-and-excitation, with ReLU6) for one grey channel, ending in global
average pooling and one dense layer, so that the class activation map needs no gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

# TensorFlow's values, with which the ImageNet weights were trained.
BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.99
FEATURE_MAP = "feature_map"
HEAD = "head"


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


def backbone(pixels: int) -> keras.Model:
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


def classifier(pixels: int, classes: int, dropout: float) -> keras.Model:
    """The network that is fine-tuned.

    Returns
    -------
    keras.Model
        (batch, pixels, pixels, 1) in 0..1 -> logits (batch, classes).
    """
    base = backbone(pixels)
    x = layers.GlobalAveragePooling2D(name="pool")(base.output)
    x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(classes, name=HEAD)(x)
    return keras.Model(base.input, logits, name="classifier")


def served_classifier(trained: keras.Model, target: int, temperature: float) -> keras.Model:
    """What is exported: calibrated probabilities, and the activation map of the target class.

    The dense layer is applied to every cell of the feature map. Because it is linear, the mean
    of the cells' logits is the image's logits. The map is the log-odds of the target class at each
    cell, that is, what the model would answer if the whole image looked like that cell: an
    absolute scale, comparable between images.

    Parameters
    ----------
    trained : keras.Model
        As built by :func:`classifier`.
    target : int
        Which class the map is of.
    temperature : float
        The logits are divided by it (Guo 2017).

    Returns
    -------
    keras.Model
        Same input -> ``probabilities`` (batch, classes) and ``activation`` (batch, rows, columns).
    """
    features = trained.get_layer(FEATURE_MAP).output
    head = trained.get_layer(HEAD)
    cells = layers.Dense(head.units, name="cells")  # acts on the last axis of any shape
    logits = cells(features)
    pooled = layers.GlobalAveragePooling2D(name="mean_logits")(logits)
    probabilities = layers.Softmax(name="probabilities")(pooled)
    activation = LogOdds(target, name="activation")(logits)
    model = keras.Model(trained.input, [probabilities, activation], name="served_classifier")
    cells.set_weights([values / temperature for values in head.get_weights()])
    return model


@keras.saving.register_keras_serializable("wetread")
class LogOdds(layers.Layer):  # type: ignore[misc]
    """Logits of one class against all others together, along the last axis."""

    def __init__(self, target: int, **options: Any) -> None:
        super().__init__(**options)
        self.target = target

    def call(self, logits: Any) -> Any:
        """(..., classes) -> (...)."""
        wanted = logits[..., self.target]
        before, after = logits[..., : self.target], logits[..., self.target + 1 :]
        others = ops.concatenate([before, after], axis=-1)
        return wanted - ops.logsumexp(others, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What Keras needs to build the layer again."""
        return {**super().get_config(), "target": self.target}


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
