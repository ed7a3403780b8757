"""InceptionV3 with the article's head."""

from __future__ import annotations

from pathlib import Path

import keras

from training.article.settings import CLASSES, Settings
from training.article.start_weights import inception_layers, read_start
from training.errors import WeightsError

IMAGENET = "imagenet"


def article_network(settings: Settings, seed: int, start: Path | str | None) -> keras.Model:
    """Build and compile the network.

    Parameters
    ----------
    settings : Settings
        Input size, head and learning rate.
    seed : int
        Of the first weights of the new layers, and of the dropout.
    start : pathlib.Path, "imagenet" or None
        The package with weights for InceptionV3; "imagenet" where Keras can download; None:
        weights at random, for tests.

    Returns
    -------
    keras.Model
        (images, side, side, 3) 0..1 -> (images, 3) probabilities, in the order of ``CLASSES``.

    Raises
    ------
    WeightsError
        If the weights are not the expected ones.
    """
    keras.utils.set_random_seed(seed)
    shape = (settings.side, settings.side, 3)
    base = _inception(shape, IMAGENET if start == IMAGENET else None)
    if isinstance(start, Path):
        load_start(base, start)
    x = keras.layers.AveragePooling2D((4, 4), name="pooled")(base.output)  # (n, 1, 1, 2048)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(settings.units, activation="relu", name="hidden")(x)
    x = keras.layers.Dropout(settings.dropout, seed=seed)(x)
    answers = keras.layers.Dense(len(CLASSES), activation="softmax", name="classes")(x)
    model = keras.Model(base.input, answers)
    model.compile(
        keras.optimizers.Adam(settings.rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=settings.eager,
    )
    return model


def _inception(shape: tuple[int, int, int], weights: str | None) -> keras.Model:
    try:
        return keras.applications.InceptionV3(include_top=False, weights=weights, input_shape=shape)
    except Exception as error:  # Keras lets through whatever its download raises
        if weights is None:
            raise
        raise WeightsError(
            "Keras must be able to download its ImageNet weights for --start imagenet; it could "
            "not. Use --start FILE.tgz instead"
        ) from error


def load_start(base: keras.Model, package: Path) -> None:
    """Set every layer of an InceptionV3 from the package.

    Raises
    ------
    WeightsError
        If the package is not the expected one, or a layer has another shape.
    """
    stored = read_start(package)
    for layer, names in inception_layers(base):
        values = [stored[name] for name in names]
        expected = [tuple(weight.shape) for weight in layer.weights]
        if expected != [value.shape for value in values]:
            shapes = [value.shape for value in values]
            raise WeightsError(f"{names[0]} must have shapes {expected}; got {shapes}")
        layer.set_weights(values)
