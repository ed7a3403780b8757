"""What can be wrong with the image archive's answers.

PacsError
├── RequestRefused       it does not answer requests of this kind
├── ImageMissing         it does not have an image that the record lists
└── PacsUnavailable      slow, busy or broken just now
    ├── RequestFailed    it failed at this very request (500)
    └── BrokeOff         its answer ended in the middle
"""

from __future__ import annotations

from typing import Any

from plugin.errors import PluginError


class PacsError(PluginError):
    """The image archive's answer cannot be used."""

    code = "archive_unusable"
    title = "The images could not be fetched"
    next_step = "Try again; if it happens again, tell the imaging department."
    status = 502
    retryable = False


class RequestRefused(PacsError):  # noqa: N818 (named for what it did)
    """The archive does not answer requests of this kind; another kind may do."""


class PacsUnavailable(PacsError):  # noqa: N818 (a state that passes)
    """The archive is slow, busy or broken just now; the same request may work later.

    Parameters
    ----------
    retry_after_s : float, optional
        When the archive asked to be asked again: it may first have to fetch the study from tape.
    """

    code = "archive_unavailable"
    next_step = "Try again in a minute."
    retryable = True

    def __init__(self, text: str, *, retry_after_s: float | None = None, **words: Any) -> None:
        super().__init__(text, **words)
        self.retry_after_s = retry_after_s


class RequestFailed(PacsUnavailable):
    """The archive failed at this very request: some do at whole series, and not at images."""


class BrokeOff(PacsUnavailable):
    """The archive's answer ended in the middle; what came whole before is whole."""


class ImageMissing(PacsError):  # noqa: N818 (named for what is wrong)
    """The record lists an image that the archive does not have."""

    code = "image_missing"
    next_step = "Wait until all images have arrived, or tell the imaging department."
