"""How much is fetched at once, and at most: connections, tokens, sizes, time and memory."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
import tracemalloc
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from plugin.errors import LaunchExpired
from plugin.imaging.allowance import Allowance, Pace
from plugin.imaging.fetching import CONNECTIONS
from plugin.imaging.pacs_errors import PacsError, PacsUnavailable
from plugin.imaging.study_images import FetchedStudy
from plugin.settings import Settings
from smart_launch.http import HttpLimits
from tests.plugin.imaging.archive import END, HEAD, KIND, SERIES, Archive, image, related, written
from tests.plugin.imaging.conftest import MEGABYTE, Fetching, series_entry, study_at
from tests.smart_launch.loopback import Asked, Says

FIRST, SECOND, _ = SERIES


def found(fetched: FetchedStudy) -> list[str | None]:
    return [one.sop_instance_uid for one in fetched.facts]


def test_an_answer_that_drips_comes_to_an_end(archive: Archive, fetching: Fetching) -> None:
    names = archive.holds(FIRST, 2)
    body = related(archive.images.values())
    pieces = [body[:200], *(body[at : at + 1] for at in range(200, 300))]
    archive.says(written(*pieces, pause=lambda: time.sleep(0.03)), FIRST)
    fetching.limits = HttpLimits(read_s=2, total_s=0.3, stream_bytes_per_s=10_000)
    started = time.monotonic()
    with pytest.raises(PacsUnavailable, match="in time"):
        fetching(study_at(archive, series_entry(FIRST, names)))
    assert time.monotonic() - started < 2
    assert fetching.kept() == []


def write_and_then(body: bytes, more: bytes, sent: list[int]) -> Says:
    """An answer that goes on after its end, until nobody reads it any more."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", KIND)
        handler.end_headers()
        handler.wfile.write(body)
        with contextlib.suppress(OSError):
            for _ in range(500):
                sent.append(handler.wfile.write(more))
                time.sleep(0.02)

    return Says(write=write)


def test_bytes_after_the_closing_delimiter_end_the_answer(
    archive: Archive, fetching: Fetching
) -> None:
    names, sent = archive.holds(FIRST, 2), list[int]()
    archive.says(write_and_then(related(archive.images.values()), b"x" * 40_000, sent), FIRST)
    started = time.monotonic()
    assert found(fetching(study_at(archive, series_entry(FIRST, names)))) == names
    assert time.monotonic() - started < 2
    assert archive.asked() == [f"series/{FIRST}"]


@pytest.mark.parametrize("begin", [b"", HEAD, b"whole"], ids=["preamble", "image", "epilogue"])
def test_when_one_series_fails_none_is_waited_for_wherever_its_answer_is(
    archive: Archive, fetching: Fetching, begin: bytes
) -> None:
    names = [archive.holds(one, 2) for one in SERIES[:2]]
    if begin == b"whole":
        begin = related(one for key, one in archive.images.items() if key[0] == SECOND)
    archive.says(write_and_then(begin, b"x", []), SECOND)
    archive.says(lambda _: (time.sleep(0.1), Says(403))[1], FIRST)
    started = time.monotonic()
    with pytest.raises(PacsError, match="refused"):
        fetching(study_at(archive, *map(series_entry, SERIES[:2], names)))
    assert time.monotonic() - started < 2


def test_a_study_of_many_slow_images_comes_to_an_end(archive: Archive, fetching: Fetching) -> None:
    names = archive.holds(FIRST, 20)
    archive.says(Says(400), FIRST)

    def slowly(asked: Asked) -> Says:
        time.sleep(0.1)
        uid = asked.path.rpartition("/")[2]
        return Says(200, related([archive.images[FIRST, uid]]), {"Content-Type": KIND})

    for uid in names:
        archive.book.says("GET", archive.path(FIRST, uid), slowly)
    study = study_at(archive, series_entry(FIRST, names))
    impatient = Pace(start_s=0.3, image_s=0.005, bytes_per_s=10**9)
    with pytest.raises(PacsUnavailable, match="too slow"):
        fetching(study, Allowance(99, MEGABYTE, MEGABYTE, impatient))
    assert len(archive.asked()) < 1 + len(names)
    assert fetching.kept() == []
    patient = replace(impatient, bytes_per_s=2_000)
    assert found(fetching(study, Allowance(99, MEGABYTE, MEGABYTE, patient))) == names


@pytest.mark.parametrize(
    ("allowance", "code"),
    [
        (Allowance(2, MEGABYTE, MEGABYTE), "too_many_images"),
        (Allowance(9, 500, MEGABYTE), "image_too_large"),
        (Allowance(9, MEGABYTE, 3000), "study_too_large"),
    ],
    ids=["images", "one image", "all together"],
)
def test_more_than_is_allowed_is_refused_and_leaves_nothing(
    archive: Archive, fetching: Fetching, allowance: Allowance, code: str
) -> None:
    archive.holds(FIRST, 6)
    with pytest.raises(PacsError) as caught:
        fetching(study_at(archive, series_entry(FIRST, None, 1)), allowance)
    assert caught.value.code == code
    assert fetching.kept() == []


def test_all_series_together_count_against_the_size_of_a_study(
    archive: Archive, fetching: Fetching
) -> None:
    names = [archive.holds(one, 2, PixelData=bytes(20_000)) for one in SERIES]
    study = study_at(archive, *map(series_entry, SERIES, names))
    assert len(fetching(study, Allowance(9, MEGABYTE, 130_000)).files) == 6
    fetching.cache.purge(-1)
    with pytest.raises(PacsError):
        fetching(study, Allowance(9, MEGABYTE, 110_000))
    assert fetching.kept() == []


def test_series_come_at_the_same_time(archive: Archive, fetching: Fetching) -> None:
    together = threading.Barrier(2, timeout=5)
    names = [archive.holds(one, 2) for one in SERIES[:2]]

    def both(asked: Asked) -> Says:
        together.wait()
        series = asked.path.rpartition("/")[2]
        body = related(one for key, one in archive.images.items() if key[0] == series)
        return Says(200, body, {"Content-Type": KIND})

    for one in SERIES[:2]:
        archive.book.says("GET", archive.path(one), both)
    fetched = fetching(study_at(archive, *map(series_entry, SERIES[:2], names)))
    assert found(fetched) == [*names[0], *names[1]]


def test_an_archive_that_refuses_one_image_of_many_is_not_asked_for_the_others(
    archive: Archive, fetching: Fetching
) -> None:
    names = archive.holds(FIRST, 50)
    archive.says(Says(400), FIRST)
    for uid in names:
        archive.says(Says(403), FIRST, uid)
    with pytest.raises(PacsError, match="refused"):
        fetching(study_at(archive, series_entry(FIRST, names)))
    assert archive.asked() == [f"series/{FIRST}", f"series/{FIRST}/instances/{names[0]}"]


def test_the_views_of_a_radiograph_are_asked_for_together(
    archive: Archive, fetching: Fetching
) -> None:
    together = threading.Barrier(2, timeout=5)
    names = [archive.holds(one, 1) for one in SERIES[:2]]

    def both(asked: Asked) -> Says:
        together.wait()
        series, uid = asked.path.split("/")[5], asked.path.rpartition("/")[2]
        return Says(200, related([archive.images[series, uid]]), {"Content-Type": KIND})

    for one, (uid,) in zip(SERIES, names, strict=False):
        archive.book.says("GET", archive.path(one, uid), both)
    fetched = fetching(study_at(archive, *map(series_entry, SERIES[:2], names)))
    assert found(fetched) == [*names[0], *names[1]]
    assert len(archive.asked()) == 2


def test_when_one_series_fails_the_others_are_not_waited_for(
    archive: Archive, fetching: Fetching
) -> None:
    names = [archive.holds(one, 2) for one in SERIES[:2]]
    body = related(one for key, one in archive.images.items() if key[0] == SECOND)
    endless = written(*[body[:50]] * 200, pause=lambda: time.sleep(0.02))
    archive.says(endless, SECOND)
    archive.says(Says(403), FIRST)
    started = time.monotonic()
    with pytest.raises(PacsError, match="refused"):
        fetching(study_at(archive, *map(series_entry, SERIES[:2], names)))
    assert time.monotonic() - started < 3


def test_several_connections_whose_token_ran_out_ask_for_one_fresh_token(
    archive: Archive, fetching: Fetching
) -> None:
    names = archive.holds(FIRST, 8)
    archive.says(Says(400), FIRST)
    together = threading.Barrier(CONNECTIONS, timeout=5)

    def old_is_refused(asked: Asked) -> Says:
        uid = asked.path.rpartition("/")[2]
        if asked.headers["Authorization"] == "Bearer token-1" and uid != names[0]:
            together.wait()
            return Says(401)
        return Says(200, related([archive.images[FIRST, uid]]), {"Content-Type": KIND})

    for uid in names:
        archive.book.says("GET", archive.path(FIRST, uid), old_is_refused)
    assert found(fetching(study_at(archive, series_entry(FIRST, names)))) == names
    assert fetching.renewals == ["token-1"]


def test_a_fresh_token_that_is_refused_too_ends_it(archive: Archive, fetching: Fetching) -> None:
    names = archive.holds(FIRST, 2)
    archive.says(Says(401), FIRST)
    with pytest.raises(LaunchExpired):
        fetching(study_at(archive, series_entry(FIRST, names)))
    assert len(archive.asked()) == 2


def test_memory_does_not_grow_with_the_study(archive: Archive, fetching: Fetching) -> None:
    size, count = 4 * MEGABYTE, 16
    head = image(FIRST, f"{FIRST}.1")
    names = [f"{FIRST}.{number}" for number in range(10, 10 + count)]

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", KIND)
        handler.end_headers()
        pixels = bytes(MEGABYTE)
        for uid in names:
            handler.wfile.write(HEAD + image(FIRST, uid))
            for _ in range(size // MEGABYTE):
                handler.wfile.write(pixels)
        handler.wfile.write(END)

    archive.says(Says(write=write), FIRST)
    assert len(head) < MEGABYTE
    study = study_at(archive, series_entry(FIRST, names))
    tracemalloc.start()
    fetched = fetching(study, Allowance(99, 5 * MEGABYTE, 99 * MEGABYTE))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(path.stat().st_size for path in fetched.files) > size * count
    assert peak < 8 * MEGABYTE


def test_a_ct_of_1200_slices_is_within_what_is_allowed_unless_somebody_says_otherwise(
    archive: Archive, fetching: Fetching
) -> None:
    default = {entry.name: entry.default for entry in dataclasses.fields(Settings)}
    assert default["study_megabytes"] > 1200 * 512 * 512 * 2 / MEGABYTE
    names = [f"{FIRST}.{number}" for number in range(1000, 2200)]
    template = image(FIRST, names[0])
    slices = [template.replace(names[0].encode(), uid.encode()) for uid in names]
    archive.says(related(slices), FIRST)
    allowance = Allowance(default["study_images"], MEGABYTE, 100 * MEGABYTE)
    fetched = fetching(study_at(archive, series_entry(FIRST, names)), allowance)
    assert len(fetched.files) == 1200
    assert archive.asked() == [f"series/{FIRST}"]
