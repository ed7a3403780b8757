"""Everything that can go wrong between a file and a prediction.

::

    InferenceError
    ├── FileUnreadable      the file is there but may not or cannot be read
    │   └── FileMissing     there is no such file
    ├── NotAnImage          the bytes are no DICOM, PNG or JPEG file, or hold no image
    │   └── NoPixels        a DICOM object without an image in it (report, plan, structure set)
    ├── PixelError          the image is there but cannot be decoded (damaged, lying, unsupported)
    ├── ImageTooLarge       the header claims more than the memory limit; nothing was allocated
    ├── UnknownModel        no folder of that name
    ├── ModelRefused        a folder that breaks its contract, checksum or golden values
    ├── OutOfRange          a probability or a prevalence that can be none
    └── RuntimeUnavailable  the runtime asked for is unknown or not installed

The names say what happened; that they are errors, their base says.
"""

from __future__ import annotations


class InferenceError(Exception):
    """Base of the family.

    Parameters
    ----------
    sentence : str
        The rule, then what arrived. Never holds patient data.

    Attributes
    ----------
    code : str
        Short and stable, for programs.
    sentence : str
        For people.
    """

    code = "inference_error"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class FileUnreadable(InferenceError):  # noqa: N818
    """The file is there, but its bytes cannot be had."""

    code = "file_unreadable"


class FileMissing(FileUnreadable):
    """There is no file of this name, or the link leads nowhere."""

    code = "file_missing"


class NotAnImage(InferenceError):  # noqa: N818
    """The bytes are not an image file that Wetread reads."""

    code = "not_an_image"


class NoPixels(NotAnImage):
    """A well-formed DICOM object that carries no image."""

    code = "no_image"


class PixelError(InferenceError):
    """The image cannot be decoded."""

    code = "pixels_unreadable"


class ImageTooLarge(InferenceError):  # noqa: N818
    """The header claims an image beyond the memory limit."""

    code = "image_too_large"


class UnknownModel(InferenceError):  # noqa: N818
    """No model folder has this name."""

    code = "unknown_model"


class ModelRefused(InferenceError):  # noqa: N818
    """The model folder breaks its contract, so nothing is read with it."""

    code = "model_refused"


class OutOfRange(InferenceError):  # noqa: N818
    """A number that can be no probability or no prevalence."""

    code = "out_of_range"


class RuntimeUnavailable(InferenceError):  # noqa: N818
    """The runtime is unknown or not installed."""

    code = "runtime_unavailable"
