"""Multipart answers taken apart as they arrive, whatever the network makes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plugin.imaging.multipart import MultipartError, content_type, read_parts

HEAD = b"--EDGE\r\nContent-Type: application/dicom\r\n\r\n"


def cut(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def contents(body: bytes, size: int = 7, boundary: str = "EDGE") -> list[bytes]:
    parts = read_parts(cut(body, size), boundary)
    return [b"".join(content) for _, content in parts]


# Bytes that a delimiter begins or ends with are where a splitter goes wrong.
tricky = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--ED", b"\r\n--EDG", b"x"]), max_size=12)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.one_of(st.binary(max_size=60), tricky.map(b"".join)), min_size=1, max_size=4),
    st.booleans(),
    st.integers(1, 70),
)
def test_every_part_comes_out_as_it_went_in_however_it_is_cut_into_pieces(
    parts: list[bytes], leading_break: bool, size: int
) -> None:
    assume(not any(b"\r\n--EDGE" in b"\r\n" + part for part in parts))
    body = b"\r\n".join(HEAD + part for part in parts) + b"\r\n--EDGE--\r\n"
    assert contents((b"\r\n" if leading_break else b"") + body, size) == parts


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 50))
def test_a_message_that_breaks_off_anywhere_is_an_error(end: int, size: int) -> None:
    body = HEAD + b"x" * 100 + b"\r\n--EDGE--"
    assume(end < len(body))
    with pytest.raises(MultipartError):
        contents(body[:end], size)


@settings(deadline=None)
@given(st.binary(max_size=200), st.text(max_size=5), st.integers(1, 50))
def test_any_bytes_are_parts_or_an_error(body: bytes, boundary: str, size: int) -> None:
    with contextlib.suppress(MultipartError):
        assert sum(map(len, contents(body, size, boundary))) <= len(body)


def test_a_part_that_nobody_reads_is_passed_over() -> None:
    body = HEAD + b"one" * 99 + b"\r\n" + HEAD + b"two\r\n--EDGE--"
    parts = read_parts(cut(body, 5), "EDGE")
    next(parts)
    assert b"".join(next(parts)[1]) == b"two"


@pytest.mark.parametrize("begin", [b"", HEAD[:-4]], ids=["preamble", "header"])
def test_what_should_be_short_and_is_not_is_refused_before_memory_fills(
    begin: bytes,
) -> None:
    def endless() -> Iterator[bytes]:
        yield begin
        while True:
            yield b"x" * 10_000

    with pytest.raises(MultipartError, match="must"):
        list(read_parts(endless(), "EDGE"))


def test_no_more_than_a_piece_and_a_delimiter_is_held() -> None:
    piece = b"x" * 1000

    def pieces() -> Iterator[bytes]:
        yield HEAD
        for _ in range(50):
            yield piece
        yield b"\r\n--EDGE--"

    ((_, content),) = [(kind, [len(one) for one in c]) for kind, c in read_parts(pieces(), "EDGE")]
    assert max(content) <= len(piece) + len("\r\n--EDGE")
    assert sum(content) == 50_000


def test_the_boundary_is_read_with_and_without_quotes() -> None:
    for header in ('multipart/related; boundary="a b"', "Multipart/Related;boundary=a"):
        kind, parameters = content_type(header)
        assert kind == "multipart/related"
        assert parameters["boundary"].startswith("a")
