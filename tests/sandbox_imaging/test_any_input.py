"""Parsers of what comes from outside, with anything as input."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.dicomweb.accept import choose_bytes, choose_instances, parse_accept
from sandbox.dicomweb.errors import BadQuery, NotAcceptable, UnsupportedBody
from sandbox.dicomweb.matching import matches
from sandbox.dicomweb.multipart import boundary_of, read_parts, write_parts
from sandbox.dicomweb.query import parse_query
from sandbox.images.errors import PictureRefused
from sandbox.images.identity import PatientIdentity, StudyIdentity
from sandbox.images.wrapping import wrap
from sandbox.viewer.people import view_patient
from sandbox.viewer.report_view import view_report

SPLIT = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"--", b"--b", b"\r\n--b", b"\0", b"DICM", b"x"]),
    max_size=30,
).map(b"".join)
WORD = st.text(max_size=30)
# No deadline: a busy machine is no failure.
ANYTHING = settings(deadline=None, max_examples=80)


class Dripping(io.BytesIO):
    """Gives a few bytes at a time, as a slow connection does."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(7, size or 7))


@ANYTHING
@given(parts=st.lists(SPLIT.filter(lambda part: b"\n--b" not in b"\n" + part), max_size=4))
def test_parts_come_back_as_they_were_written(parts: list[bytes]) -> None:
    parts = [part for part in parts if b"\r--b" not in part]
    body = b"".join(write_parts((("application/dicom", [part]) for part in parts), "b"))
    read = [b"".join(pieces) for _, pieces in read_parts(Dripping(body), b"b")]
    assert read == parts


@ANYTHING
@given(body=st.binary(max_size=300) | SPLIT)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with suppress(BadQuery):
        sizes = [len(b"".join(pieces)) for _, pieces in read_parts(io.BytesIO(body), b"b")]
        assert sum(sizes) < len(body)


@ANYTHING
@given(header=WORD | st.sampled_from(["multipart/related", "application/dicom", "*/*"]))
def test_any_accept_header_is_understood_or_refused(header: str) -> None:
    assert isinstance(parse_accept(header), list)
    for choose in (choose_bytes, lambda h: choose_instances(h, single=True), boundary_of):
        with suppress(BadQuery, NotAcceptable, UnsupportedBody):
            choose(header)


@ANYTHING
@given(arguments=st.lists(st.tuples(WORD | st.just("PatientName"), WORD), max_size=4))
def test_any_query_is_understood_or_refused(arguments: list[tuple[str, str]]) -> None:
    header = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}
    with suppress(BadQuery):
        query = parse_query(arguments)
        assert all(matches(header, *key) in (True, False) for key in query.keys)


@ANYTHING
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_picture_or_refused_in_words(data: bytes) -> None:
    starts = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0")
    for start in starts:
        with pytest.raises(PictureRefused, match=r"picture|file"):
            wrap(start + data, PatientIdentity("p", "1", "H"), StudyIdentity("1.2"))


@ANYTHING
@given(name=WORD, born=WORD, status=WORD)
def test_any_text_in_a_record_can_be_shown(name: str, born: str, status: str) -> None:
    patient = view_patient({"id": "p", "name": [{"family": name}], "birthDate": born})
    assert patient.name == (name or "Name unknown")
    view = view_report({"id": "r", "status": status, "code": {"text": name}, "issued": born}, [])
    assert view.status in {"unknown", status}
