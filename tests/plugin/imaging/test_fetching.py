"""Images come whole, all of them and no others, however the archive answers."""

from __future__ import annotations

import stat
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from inference.errors import NotAnImage
from plugin.imaging.fetching import CONNECTIONS
from plugin.imaging.pacs_errors import ImageMissing, PacsError, PacsUnavailable
from plugin.imaging.study_images import FetchedStudy
from tests.plugin.imaging.archive import KIND, SERIES, Archive, image, related, written
from tests.plugin.imaging.conftest import Fetching, series_entry, study_at
from tests.smart_launch.loopback import Asked, Says

FIRST, SECOND, _ = SERIES


def found(fetched: FetchedStudy) -> list[str | None]:
    return [one.sop_instance_uid for one in fetched.facts]


def test_a_series_comes_in_one_answer_and_keeps_the_order_of_the_record(
    archive: Archive, fetching: Fetching
) -> None:
    names = archive.holds(FIRST, 5)
    names.reverse()
    fetched = fetching(study_at(archive, series_entry(FIRST, names)))
    assert found(fetched) == names
    assert archive.asked() == [f"series/{FIRST}"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in fetched.files} == {0o600}


def test_what_a_launch_has_fetched_is_not_fetched_again(
    archive: Archive, fetching: Fetching
) -> None:
    study = study_at(archive, series_entry(FIRST, archive.holds(FIRST, 2)))
    assert fetching(study) == fetching(study)
    assert len(archive.asked()) == 1


@pytest.mark.parametrize("promised", [None, 9999], ids=["connection closed", "length promised"])
def test_of_an_answer_that_breaks_off_the_whole_images_count_and_the_others_are_asked_for(
    archive: Archive, fetching: Fetching, promised: int | None
) -> None:
    names = archive.holds(FIRST, 5)
    body = archive.book.answer(Asked("GET", archive.path(FIRST), {}, {}, b"", "")).body
    archive.book.asked.clear()
    assert isinstance(body, bytes)
    archive.says(written(body[: len(body) * 5 // 8], length=promised), FIRST)
    fetched = fetching(study_at(archive, series_entry(FIRST, names)))
    assert found(fetched) == names
    singly = [f"series/{FIRST}/instances/{uid}" for uid in names[3:]]
    assert archive.asked()[:1] == [f"series/{FIRST}"]
    assert sorted(archive.asked()[1:]) == singly


@pytest.mark.parametrize("framing", ["none", "length", "chunks"])
def test_an_image_by_itself_whose_end_is_not_told_is_not_taken_for_a_whole_one(
    archive: Archive, fetching: Fetching, framing: str
) -> None:
    (uid,) = archive.holds(FIRST, 1)
    body, study = archive.images[FIRST, uid], study_at(archive, series_entry(FIRST, [uid]))

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/dicom")
        if framing == "length":
            handler.send_header("Content-Length", str(len(body)))
        if framing == "chunks":
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        handler.wfile.write(chunked if framing == "chunks" else body)

    archive.says(Says(write=write), FIRST, uid)
    if framing == "none":
        with pytest.raises(PacsUnavailable, match="where an image ends"):
            fetching(study)
        assert fetching.kept() == []
    else:
        assert fetching(study).files[0].read_bytes() == body


def test_an_image_that_the_archive_does_not_have_is_asked_for_by_name_and_then_missed(
    archive: Archive, fetching: Fetching
) -> None:
    names = archive.holds(FIRST, 3)
    study = study_at(archive, series_entry(FIRST, [*names, f"{FIRST}.9"]))
    with pytest.raises(ImageMissing):
        fetching(study)
    assert archive.asked() == [f"series/{FIRST}", f"series/{FIRST}/instances/{FIRST}.9"]
    assert fetching.kept() == []


@pytest.mark.parametrize("status", [400, 404, 405, 406, 500, 501])
def test_an_archive_that_refuses_series_is_asked_for_images_a_few_at_a_time(
    archive: Archive, fetching: Fetching, status: int
) -> None:
    names = archive.holds(FIRST, 12)
    archive.says(Says(status), FIRST)
    at_work, most, lock = 0, 0, threading.Lock()

    def slowly(asked: Asked) -> Says:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.02)
        with lock:
            at_work -= 1
        uid = asked.path.rpartition("/")[2]
        return Says(200, related([archive.images[FIRST, uid]]), {"Content-Type": KIND})

    for uid in names:
        archive.book.says("GET", archive.path(FIRST, uid), slowly)
    assert found(fetching(study_at(archive, series_entry(FIRST, names)))) == names
    assert 1 < most <= CONNECTIONS


def test_an_archive_that_gives_whole_studies_only_is_asked_for_that(
    archive: Archive, fetching: Fetching
) -> None:
    listed, unlisted = archive.holds(FIRST, 2), archive.holds(SECOND, 3)
    for path in (archive.path(one) for one in SERIES):
        archive.book.says("GET", path, Says(400))
    for uid in listed:
        archive.says(Says(400), FIRST, uid)
    series = series_entry(FIRST, listed), series_entry(SECOND, None, 3)
    fetched = fetching(study_at(archive, *series))
    assert found(fetched) == [*listed, *unlisted]
    assert archive.asked()[-1] == ""


@pytest.mark.parametrize(
    ("status", "code"), [(403, "archive_forbidden"), (429, "archive_unavailable"),
                         (502, "archive_unavailable"), (503, "archive_unavailable")],
)  # fmt: skip
def test_an_archive_that_may_not_or_cannot_is_not_pestered_with_single_requests(
    archive: Archive, fetching: Fetching, status: int, code: str
) -> None:
    names = archive.holds(FIRST, 3)
    archive.says(Says(status), FIRST)
    with pytest.raises(PacsError) as caught:
        fetching(study_at(archive, series_entry(FIRST, names)))
    assert caught.value.code == code
    assert set(archive.asked()) == {f"series/{FIRST}"}
    assert fetching.kept() == []


def test_an_archive_that_asks_for_a_moment_gets_it(archive: Archive, fetching: Fetching) -> None:
    names = archive.holds(FIRST, 2)
    busy = Says(503, b"", {"Retry-After": "1"})
    whole = Says(200, related(archive.images.values()), {"Content-Type": KIND})
    archive.book.says("GET", archive.path(FIRST), busy, whole)
    assert found(fetching(study_at(archive, series_entry(FIRST, names)))) == names
    assert fetching.pauses == [1.0]


def test_an_archive_that_asks_for_minutes_is_asked_once_and_the_job_told_when(
    archive: Archive, fetching: Fetching
) -> None:
    names = archive.holds(FIRST, 2)
    archive.says(Says(503, b"", {"Retry-After": "120"}), FIRST)
    with pytest.raises(PacsUnavailable) as caught:
        fetching(study_at(archive, series_entry(FIRST, names)))
    assert (caught.value.retry_after_s, len(archive.asked())) == (120.0, 1)


def test_images_that_nobody_listed_and_images_that_come_twice_are_left_out(
    archive: Archive, fetching: Fetching
) -> None:
    names = archive.holds(FIRST, 3)
    stranger = image(FIRST, "1.2.3.4", PatientID="H-9")
    all_of_it = [stranger, *archive.images.values(), *archive.images.values()]
    archive.says(related(all_of_it), FIRST)
    assert found(fetching(study_at(archive, series_entry(FIRST, names)))) == names


@pytest.mark.parametrize("count", [1, 2])
def test_an_image_that_comes_as_another_is_missed(
    archive: Archive, fetching: Fetching, count: int
) -> None:
    names = archive.holds(FIRST, count)
    for uid in names:
        archive.says(image(FIRST, "1.2.3.4"), FIRST, uid)
    archive.says(related([image(FIRST, "1.2.3.4")]), FIRST)
    archive.says(related([image(FIRST, "1.2.3.4")]))
    with pytest.raises(ImageMissing, match="came as another"):
        fetching(study_at(archive, series_entry(FIRST, names)))
    assert fetching.kept() == []


def test_what_an_image_calls_itself_counts_and_not_what_its_wrapping_says(
    archive: Archive, fetching: Fetching
) -> None:
    (name,) = archive.holds(FIRST, 1)
    # Named twice, in the file's meta information and in the data set: the latter is changed.
    before, _, after = image(FIRST, name).rpartition(name.encode())
    archive.says(before + b"7" * len(name) + after, FIRST, name)
    archive.says(Says(404))
    with pytest.raises(ImageMissing, match="came as another"):
        fetching(study_at(archive, series_entry(FIRST, [name])))
    assert fetching.kept() == []


def test_images_that_are_no_dicom_are_not_kept(archive: Archive, fetching: Fetching) -> None:
    names = archive.holds(FIRST, 2)
    archive.says(related([b"not dicom", b"at all"]), FIRST)
    with pytest.raises(NotAnImage):
        fetching(study_at(archive, series_entry(FIRST, names)))
    assert fetching.kept() == []


def test_files_that_turn_out_to_be_damaged_are_fetched_again(
    archive: Archive, fetching: Fetching
) -> None:
    study = study_at(archive, series_entry(FIRST, archive.holds(FIRST, 2)))
    fetched = fetching(study)
    fetched.files[1].write_bytes(b"damaged on this disk")
    with pytest.raises(NotAnImage):
        _ = fetched.facts
    assert len(fetching(study).facts) == 2


def test_a_series_without_a_list_is_held_against_the_archives_own(
    archive: Archive, fetching: Fetching
) -> None:
    names = archive.holds(FIRST, 4)
    archive.lists(FIRST, names)
    archive.says(related([archive.images[FIRST, uid] for uid in names[:2]]), FIRST)
    fetched = fetching(study_at(archive, series_entry(FIRST, None, 4)))
    assert found(fetched) == names
    assert len(archive.asked()) == 4


def test_an_archive_that_lists_fewer_than_the_record_counts_is_not_asked_for_any(
    archive: Archive, fetching: Fetching
) -> None:
    archive.lists(FIRST, archive.holds(FIRST, 4))
    with pytest.raises(ImageMissing):
        fetching(study_at(archive, series_entry(FIRST, None, 5)))
    assert f"series/{FIRST}" not in archive.asked()


def test_a_list_that_was_cut_at_some_length_leaves_no_image_out(
    archive: Archive, fetching: Fetching
) -> None:
    names = archive.holds(FIRST, 4)
    archive.lists(FIRST, names[:2])
    assert found(fetching(study_at(archive, series_entry(FIRST, None, 2)))) == names


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'[{"00080018": {}}]', b"[[]]", b'"x"'])
def test_without_a_usable_list_the_images_are_counted(
    archive: Archive, fetching: Fetching, body: bytes
) -> None:
    names = archive.holds(FIRST, 3)
    archive.book.says("GET", archive.path(FIRST) + "/instances", Says(200, body))
    assert found(fetching(study_at(archive, series_entry(FIRST, None, 3)))) == names
    fetching.cache.purge(-1)
    with pytest.raises(ImageMissing):
        fetching(study_at(archive, series_entry(FIRST, None, 4)))


def test_a_number_that_is_no_uid_never_gets_into_an_address(
    archive: Archive, fetching: Fetching
) -> None:
    with pytest.raises(PacsError) as caught:
        fetching(study_at(archive, series_entry("1.2/../../x", ["1.2.3"])))
    assert (caught.value.code, archive.asked()) == ("uid_invalid", [])
