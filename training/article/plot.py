"""The article's plot: loss and accuracy by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from training.article.fitting import Epoch

_LINES = (
    ("loss", "training loss", "tab:red", "-"),
    ("val_loss", "validation loss", "tab:red", "--"),
    ("accuracy", "training accuracy", "tab:blue", "-"),
    ("val_accuracy", "validation accuracy", "tab:blue", "--"),
)


def curves(history: Sequence[Epoch]) -> Figure:
    """Draw the four lines of the article in one plot."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    epochs = [epoch.epoch for epoch in history]
    for name, label, colour, style in _LINES:
        values = [getattr(epoch, name) for epoch in history]
        axes.plot(epochs, values, style, color=colour, label=label)
    axes.set(xlabel="epoch", ylabel="loss, accuracy", xlim=(1, max(2, len(epochs))), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def save_curves(history: Sequence[Epoch], path: Path) -> None:
    """Write the plot as SVG: the same numbers give the same file."""
    with mpl.rc_context({"svg.hashsalt": "article", "svg.fonttype": "none"}):
        curves(history).savefig(path, format="svg", metadata={"Date": None})
