"""DICOMweb answers out of the built-in folder (WADO-RS and QIDO-RS, PS3.18 sections 10.4, 10.6)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import pydicom
from flask import Response
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sandbox.dicomweb.accept import (
    EXPLICIT_LITTLE,
    Representation,
    choose_bytes,
    choose_instances,
)
from sandbox.dicomweb.archive import Json, chunks
from sandbox.dicomweb.errors import NotAcceptable, NotStored
from sandbox.dicomweb.folder import FolderArchive
from sandbox.dicomweb.index import Entry
from sandbox.dicomweb.metadata import bulk_value, frames_of, metadata_of
from sandbox.dicomweb.multipart import new_boundary, write_parts
from sandbox.dicomweb.query import parse_query
from sandbox.dicomweb.searching import search
from sandbox.dicomweb.service import SearchRequest, Target
from sandbox.images.rendering import rendered_jpeg

Part = tuple[str, Iterable[bytes]]


class FolderService(FolderArchive):
    """The built-in archive with its DICOMweb answers."""

    def search(self, request: SearchRequest, base: str) -> tuple[list[Json], Sequence[str]]:
        """Find studies, series or instances; answers them and the warnings to send along."""
        query = parse_query(request.arguments)
        found = search(
            self.index,
            request.level,
            query,
            studies=request.allowed,
            base=base,
            study_uid=request.study_uid,
            series_uid=request.series_uid,
        )
        return found, query.warnings

    def retrieve(self, target: Target, accept: str) -> Response:
        """Send instances in the transfer syntax in which they are stored, where acceptable."""
        representation = choose_instances(accept, single=target.sop_uid is not None)
        entries = self.index.get(target.study_uid, target.series_uid, target.sop_uid)
        parts = [_part(entry, representation) for entry in entries]
        if not representation.multipart:
            content_type, pieces = parts[0]
            return Response(pieces, content_type=content_type)
        return _related("application/dicom", parts)

    def metadata(self, target: Target, base: str) -> list[Json]:
        """DICOM JSON of every instance, with addresses instead of large values."""
        entries = self.index.get(target.study_uid, target.series_uid, target.sop_uid)
        return [
            metadata_of(e.path, f"{base}/{Target(e.study_uid, e.series_uid, e.sop_uid).path}")
            for e in entries
        ]

    def frames(self, target: Target, numbers: Sequence[int], accept: str) -> Response:
        """Send frames of one instance as stored."""
        multipart = choose_bytes(accept)
        frames, syntax = frames_of(self._entry(target).path, numbers)
        if not multipart and len(frames) > 1:
            raise NotAcceptable("Several frames are sent as multipart/related only")
        # Compressed frames are not application/octet-stream in the letter of PS3.18 table 8.7.3-2;
        # the transfer syntax parameter tells the reader what the bytes are.
        kind = f"application/octet-stream; transfer-syntax={syntax}"
        if not multipart:
            return Response(frames[0], content_type=kind)
        return _related("application/octet-stream", [(kind, [frame]) for frame in frames])

    def bulk_data(self, target: Target, place: str, accept: str) -> Response:
        """Send one large value of one instance."""
        multipart = choose_bytes(accept)
        value = bulk_value(self._entry(target).path, place.rpartition("/")[2])
        if not multipart:
            return Response(value, content_type="application/octet-stream")
        return _related("application/octet-stream", [("application/octet-stream", [value])])

    def rendered(self, target: Target) -> Response:
        """Send a picture of one instance (JPEG)."""
        return Response(rendered_jpeg(self._entry(target).path), content_type="image/jpeg")

    def _entry(self, target: Target) -> Entry:
        if target.sop_uid is None:
            raise NotStored("Only an instance has frames, bulk data and a picture")
        return self.index.get(target.study_uid, target.series_uid, target.sop_uid)[0]


def _related(part_type: str, parts: Sequence[Part]) -> Response:
    boundary = new_boundary()
    content_type = f'multipart/related; type="{part_type}"; boundary={boundary}'
    return Response(write_parts(parts, boundary), content_type=content_type)


def _part(entry: Entry, representation: Representation) -> Part:
    syntax = entry.transfer_syntax_uid
    if representation.takes(syntax):
        return f"application/dicom; transfer-syntax={syntax}", chunks(entry.path)
    if not representation.takes(EXPLICIT_LITTLE):
        raise NotAcceptable(f"An instance is stored as {syntax}, which the Accept header excludes")
    # Decoded now, not while sending: what cannot be decoded must still become a 406.
    return f"application/dicom; transfer-syntax={EXPLICIT_LITTLE}", [_explicit_little(entry)]


def _explicit_little(entry: Entry) -> bytes:
    dataset = pydicom.dcmread(entry.path)
    syntax = UID(entry.transfer_syntax_uid)
    try:
        if syntax.is_compressed:
            dataset.decompress(generate_instance_uid=False)
        elif syntax != ImplicitVRLittleEndian:
            raise NotImplementedError("big endian pixels are not swapped here")
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
    except Exception as error:
        raise NotAcceptable(
            f"An instance is stored as {syntax} and cannot be sent as Explicit VR Little Endian; "
            "ask for transfer-syntax=*"
        ) from error
    return buffer.getvalue()
