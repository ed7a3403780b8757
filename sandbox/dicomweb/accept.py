"""What a client accepts (PS3.18 section 8.7): media types with their parameters, best first."""

from __future__ import annotations

from dataclasses import dataclass

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from sandbox.dicomweb.errors import NotAcceptable

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Accepted:
    """One media range of an Accept header.

    Parameters
    ----------
    media_type : str
        Lower case, e.g. ``multipart/related``; for that one `part_type` is its ``type``.
    part_type : str
        Media type of the parts, empty when the range is not multipart or does not say.
    transfer_syntax : str
        UID, ``*``, or empty when the client leaves it to the default, Explicit VR Little Endian.
    """

    media_type: str
    part_type: str = ""
    transfer_syntax: str = ""


def parse_accept(header: str) -> list[Accepted]:
    """Read an Accept header; an absent one accepts anything (RFC 9110 section 12.5.1)."""
    if not header.strip():
        return [Accepted("*/*", transfer_syntax="*")]
    ranges = parse_accept_header(header, MIMEAccept)
    return [_range(value) for value, quality in ranges if quality > 0]


def _range(value: str) -> Accepted:
    media_type, options = parse_options_header(value)
    options = {name.lower(): text for name, text in options.items()}
    return Accepted(
        media_type.lower(),
        options.get("type", "").lower(),
        # Some clients write the parameter in quotes, some without; Werkzeug takes both.
        options.get("transfer-syntax", ""),
    )


def choose_json(header: str) -> None:
    """Check that DICOM JSON is acceptable.

    Raises
    ------
    NotAcceptable
    """
    fits = {"application/dicom+json", "application/json", "application/*", "*/*"}
    if not any(one.media_type in fits for one in parse_accept(header)):
        raise NotAcceptable(
            "Answers here are application/dicom+json; the Accept header excludes it"
        )


@dataclass(frozen=True)
class Representation:
    """How instances are sent: in one multipart body, or a single instance alone.

    Parameters
    ----------
    multipart : bool
        ``multipart/related`` with one part an instance.
    transfer_syntaxes : tuple of str
        Acceptable transfer syntaxes; ``*`` stands for whatever is stored.
    """

    multipart: bool
    transfer_syntaxes: tuple[str, ...]

    def takes(self, transfer_syntax_uid: str) -> bool:
        """Tell whether a stored transfer syntax may be sent as it is."""
        return "*" in self.transfer_syntaxes or transfer_syntax_uid in self.transfer_syntaxes


def choose_instances(header: str, *, single: bool) -> Representation:
    """Decide how instances are sent.

    Parameters
    ----------
    header : str
        Accept header.
    single : bool
        Whether the resource is one instance, which may also be sent without multipart.

    Raises
    ------
    NotAcceptable
        If the client takes no ``application/dicom``.
    """
    ranges = parse_accept(header)
    related = [one for one in ranges if _dicom_multipart(one)]
    alone = [one for one in ranges if single and one.media_type == "application/dicom"]
    chosen = related or alone
    if not chosen:
        raise NotAcceptable(
            'Instances are sent as multipart/related; type="application/dicom"; '
            "the Accept header excludes it"
        )
    return Representation(
        bool(related), tuple(one.transfer_syntax or EXPLICIT_LITTLE for one in chosen)
    )


def _dicom_multipart(one: Accepted) -> bool:
    if one.media_type in ("*/*", "multipart/*"):
        return True
    return one.media_type == "multipart/related" and one.part_type in (
        "",
        "application/dicom",
        "*/*",
    )


def choose_bytes(header: str) -> bool:
    """Decide how bulk data and frames are sent; True for multipart, False for a single body.

    Raises
    ------
    NotAcceptable
    """
    kinds = {"", "application/octet-stream", "*/*"}
    for one in parse_accept(header):
        if one.media_type in ("*/*", "multipart/related") and one.part_type in kinds:
            return True
        if one.media_type == "application/octet-stream":
            return False
    raise NotAcceptable(
        "Bulk data is sent as application/octet-stream; the Accept header excludes it"
    )
