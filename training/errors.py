"""Errors of the training package.

TrainingError
├── TableError      the data table or its files are not as described
├── SettingsError   training.toml is wrong
├── WeightsError    pretrained or stored weights are wrong
└── ExportError     the exported network does not reproduce the trained one
"""

from __future__ import annotations


class TrainingError(Exception):
    """Training cannot go on; ``code`` is stable, the message is for the person who trains."""

    code = "training"


class TableError(TrainingError):
    """The data table, or a file that it names, is not as described."""

    code = "table"


class SettingsError(TrainingError):
    """``training.toml`` lacks a setting or holds an impossible one."""

    code = "settings"


class WeightsError(TrainingError):
    """A weights file is not the expected one."""

    code = "weights"


class ExportError(TrainingError):
    """The exported network does not reproduce the trained one."""

    code = "export"
