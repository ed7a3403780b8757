"""Errors of the pictures' side.

PictureRefused   a file that is not taken in, with a sentence for the person who brought it
"""

from __future__ import annotations


class PictureRefused(Exception):  # noqa: N818  named like the refusals beside it
    """A file that is not taken in.

    Parameters
    ----------
    sentence : str
        Why, in words for the person who brought the file; never patient data.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
