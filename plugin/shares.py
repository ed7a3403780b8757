"""Shares of patients, as settings give them."""

from __future__ import annotations

from plugin.errors import SettingsError


def check_share(name: str, value: float) -> None:
    """Check that a share lies between none and all; at either end no image could change anything.

    Raises
    ------
    SettingsError
        It does not; `name` is named.
    """
    if not 0 < value < 1:
        raise SettingsError(f"{name} must be above 0 and below 1; got {value!r}")
