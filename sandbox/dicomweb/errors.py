"""Errors of the DICOMweb side, as a tree.

DicomwebError
├── BadQuery            400, the request is not understood
├── NotAcceptable       406, no representation fits the Accept header
├── UnsupportedBody     415, the body is not multipart/related DICOM
├── NotStored           404, no such study, series, instance, frame or value
├── ArchiveUnavailable  502, the PACS behind the gateway did not answer properly
└── InstanceRefused     one instance of a store request, with its DICOM failure reason
"""

from __future__ import annotations

from sandbox.errors import SandboxError


class DicomwebError(SandboxError):
    """A request that cannot be answered as asked.

    Parameters
    ----------
    sentence : str
        The rule and what arrived; never patient data.
    """

    status = 500

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class BadQuery(DicomwebError):  # noqa: N818
    """The query or the body does not follow PS3.18."""

    status = 400


class NotAcceptable(DicomwebError):  # noqa: N818
    """Nothing that the client accepts can be given (PS3.18 section 8.7.4)."""

    status = 406


class UnsupportedBody(DicomwebError):  # noqa: N818
    """The request's media type is not one that is stored here."""

    status = 415


class NotStored(DicomwebError):  # noqa: N818
    """The study, series, instance, frame or value does not exist here."""

    status = 404


class ArchiveUnavailable(DicomwebError):  # noqa: N818
    """The PACS behind the gateway failed or answered with something else than DICOMweb."""

    status = 502


class InstanceRefused(DicomwebError):  # noqa: N818
    """One instance that is not stored (PS3.18 table I.2-2).

    Parameters
    ----------
    sentence : str
        Said to the person who uploads; the DICOM answer carries only the number.
    reason : int
        Failure Reason (0008,1197).
    """

    status = 409

    def __init__(self, sentence: str, reason: int) -> None:
        super().__init__(sentence)
        self.reason = reason


DUPLICATE = 0x0111
NOT_AUTHORIZED = 0x0124
OUT_OF_RESOURCES = 0xA700
DATA_SET_MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
