"""One image as the rest of Wetread sees it, whatever file it came from."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DicomFacts:
    """What a DICOM header says. Text is trimmed and free of control characters; absent is None.

    Attributes
    ----------
    patient_id, issuer_of_patient_id, sop_instance_uid, study_instance_uid, series_instance_uid
        As written, without the padding around them: whoever compares them compares every character.
    patient_birth_date, study_date, acquired_date
        ISO dates.
    patient_age_years
        At the study date: the smallest age that PatientAge and birth date give.
    patient_age_in_doubt
        They give different ages.
    patient_orientation
        Upper case: where the rows run to, a backslash, where the columns run to.
    view_position
        Upper case: PA, AP, LATERAL, LL, RL ... From ViewPosition, else from ViewCodeSequence, else
        LATERAL when PatientOrientation runs between front and back.
    body_part
        Upper case. From BodyPartExamined, else from AnatomicRegionSequence.
    acquired
        ISO date and time with offset when TimezoneOffsetFromUTC is known, else the ISO date alone.
    acquired_time
        HH:MM:SS as the scanner wrote it, without zone.

    References
    ----------
    DICOM PS3.3 C.7.1.1 (Patient), C.7.2.1 (General Study), C.7.3.1 (General Series),
    C.8.1.1 (CR Series), C.8.11.5 (DX Positioning), C.12.1 (SOP Common).
    """

    sop_instance_uid: str | None = None
    sop_class_uid: str | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    transfer_syntax_uid: str | None = None
    patient_id: str | None = None
    issuer_of_patient_id: str | None = None
    patient_birth_date: str | None = None
    patient_sex: str | None = None
    patient_age_years: float | None = None
    patient_age_in_doubt: bool = False
    modality: str | None = None
    body_part: str | None = None
    view_position: str | None = None
    laterality: str | None = None
    patient_orientation: str | None = None
    accession_number: str | None = None
    study_description: str | None = None
    series_description: str | None = None
    series_number: int | None = None
    instance_number: int | None = None
    study_date: str | None = None
    acquired: str | None = None
    acquired_date: str | None = None
    acquired_time: str | None = None
    manufacturer: str | None = None
    manufacturer_model: str | None = None
    photometric_interpretation: str | None = None
    presentation_intent: str | None = None
    rows: int | None = None
    columns: int | None = None
    frames: int | None = None

    @property
    def holds_image(self) -> bool:
        """The header describes pixels; a report or a presentation state has none to describe."""
        return any((self.rows, self.columns, self.photometric_interpretation))

    @property
    def left_edge(self) -> Literal["R", "L"] | None:
        """Which side of the patient lies at the left edge of the image; None: not stated.

        References
        ----------
        DICOM PS3.3 C.7.6.1.1.1 (Patient Orientation): the first value is where the rows run to.
        """
        sides: dict[str, Literal["R", "L"]] = {"L": "R", "R": "L"}
        return sides.get((self.patient_orientation or "")[:1])


class Offered(Protocol):
    """An image offered for reading: its facts are known, its pixels may still be in a file."""

    @property
    def facts(self) -> DicomFacts | None:
        """What the header says; None for a picture."""

    def opened(self) -> AbstractContextManager[Image]:
        """Give the decoded image for as long as it is needed."""


@dataclass(frozen=True)
class Image:
    """One decoded image.

    Attributes
    ----------
    pixels
        float32, shape (rows, columns), 0 = black, 1 = white, after Modality LUT, VOI LUT or window,
        and inversion of MONOCHROME1. A colour image is its luminance.
    stored
        uint16, shape (rows, columns): the values before windowing, shifted (and if need be scaled)
        to fit, for window and level in the browser.
    window
        Centre and width, in units of `stored`, of the straight line nearest to what `pixels` shows.
    inverted
        True where a high stored value is drawn dark (MONOCHROME1).
    colour
        True if the image is really coloured, not grey stored as RGB.
    frames
        Number of frames in the file; the first was read.
    spacing_mm
        Row and column spacing, or None when the header gives none.
    facts
        None for a PNG or JPEG picture, which says nothing about the patient.
    """

    pixels: NDArray[np.float32]
    stored: NDArray[np.uint16]
    window: tuple[float, float]
    inverted: bool
    colour: bool
    frames: int
    source: Literal["dicom", "picture"]
    spacing_mm: tuple[float, float] | None
    facts: DicomFacts | None

    def opened(self) -> AbstractContextManager[Image]:
        """Give itself: it is decoded already."""
        return nullcontext(self)


def read_image(data: bytes | Path) -> Image:
    """Decode the first frame of a DICOM, PNG or JPEG file.

    Raises
    ------
    NotAnImage, PixelError, ImageTooLarge
        Each with a code and a readable sentence. A claimed size beyond the limits is refused before
        anything of that size is allocated.
    """
    from inference import dicom_file, file_bytes, picture_file

    content = file_bytes.load(data)
    if file_bytes.is_picture(content):
        return picture_file.read_picture(content)
    return dicom_file.read_dicom(content)


def read_facts(data: bytes | Path) -> DicomFacts:
    """Read only the DICOM header; no pixel is decoded.

    Raises
    ------
    NotAnImage
        The bytes are not DICOM (a PNG or JPEG picture has no header facts).
    """
    from inference import dicom_facts, dicom_file, file_bytes

    return dicom_facts.facts_of(dicom_file.read_header(file_bytes.load(data)))
