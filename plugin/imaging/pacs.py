"""Images from the archive over WADO-RS (DICOM PS3.18 10.4), as they are stored there.

They go from the connection to disk in pieces, so that memory does not grow with a study. The
address was checked by `ArchiveRules` before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock

from plugin.errors import LaunchExpired
from plugin.imaging.allowance import Allowance, too_large
from plugin.imaging.endpoints import Archive
from plugin.imaging.multipart import MultipartError, Part, content_type, read_parts
from plugin.imaging.pacs_errors import (
    BrokeOff,
    ImageMissing,
    PacsError,
    PacsUnavailable,
    RequestFailed,
    RequestRefused,
)
from smart_launch.answer import AnswerHead, StreamedAnswer
from smart_launch.errors import TransportError
from smart_launch.http import Http

DICOM = "application/dicom"
# transfer-syntax=*: an archive that cannot recompress still gives what it has (Orthanc, JPEG 2000).
HEADERS = {
    "Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*',
    # Compressing pixels on the fly costs Orthanc more time than the network saves.
    "Accept-Encoding": "identity",
}
DICOM_JSON = "application/dicom+json"
SOP_INSTANCE_UID = "00080018"
# An entry of a list has a few hundred bytes; a list of all images of a large study stays below.
MOST_LIST_BYTES = 20 * 1024 * 1024
UID = re.compile(r"[0-9]+(\.[0-9]+)*")
TokenSource = Callable[[str | None], str]


@dataclass(frozen=True)
class Pacs:
    """One archive, as one launch sees it; may be used by several threads.

    Parameters
    ----------
    http : Http
        Shared, so that connections are reused.
    archive : Archive
        Checked by `ArchiveRules`.
    token : callable
        Gives an access token; called with a token that was rejected it gives a fresh one.
    """

    http: Http
    archive: Archive
    token: TokenSource
    _renewing: Lock = field(default_factory=Lock, repr=False, compare=False)

    def fetch(
        self, study: str, series: str | None, instance: str | None, allowance: Allowance
    ) -> Generator[Iterator[bytes | memoryview], None, None]:
        """Ask for a study, a series or one image; yield each image's content in pieces.

        An image is whole when its content has come to its end without an error.

        Raises
        ------
        ImageMissing, BrokeOff, PacsUnavailable, RequestRefused, PacsError, LaunchExpired
            Nothing is left out silently.
        """
        path = _path(study, series, instance)
        with self._answer(path, HEADERS, allowance.bytes_left()) as answer:
            _check_status(answer)
            with _in_words():
                for content in _contents(answer, _watched(answer.pieces, allowance)):
                    yield _worded(content)

    def list_images(self, study: str, series: str) -> tuple[str, ...] | None:
        """Ask which images a series has (QIDO-RS, PS3.18 10.6); None where it does not say."""
        path = f"{_path(study, series, None)}/instances?includefield={SOP_INSTANCE_UID}"
        try:
            with self._answer(path, {"Accept": DICOM_JSON}, MOST_LIST_BYTES) as answer:
                if answer.status == 401:
                    _check_status(answer)
                return _listed(answer) if answer.status == 200 else None
        except (PacsError, TransportError):
            # It need not offer searches; then the images themselves are all there is to count.
            return None

    @contextmanager
    def _answer(
        self, path: str, headers: dict[str, str], most_bytes: int
    ) -> Iterator[StreamedAnswer]:
        """Ask; once more with a fresh token where the first has run out between two images."""
        token = self.token(None) if self.archive.wants_token else None
        with self._sent(path, headers, token, most_bytes) as answer:
            if answer.status != 401 or token is None:
                yield answer
                return
        with self._sent(path, headers, self._renewed(token), most_bytes) as answer:
            yield answer

    @contextmanager
    def _sent(
        self, path: str, headers: dict[str, str], token: str | None, most_bytes: int
    ) -> Iterator[StreamedAnswer]:
        headers = headers | ({"Authorization": f"Bearer {token}"} if token else {})
        with ExitStack() as stack:
            try:
                answer = stack.enter_context(
                    self.http.stream(
                        self.archive.url + path, headers=headers, most_bytes=most_bytes
                    )
                )
            except TransportError as error:
                raise _from_transport(error) from error
            yield answer

    def _renewed(self, rejected: str) -> str:
        """Give a token in place of a rejected one; of several threads the first asks for it."""
        with self._renewing:
            current = self.token(None)
            return current if current != rejected else self.token(rejected)


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what goes wrong while a body arrives into errors of this family."""
    try:
        yield
    except TransportError as error:
        raise _from_transport(error) from error
    except MultipartError as error:
        raise BrokeOff("The image archive must send whole images; one broke off.") from error


def _worded(content: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    with _in_words():
        yield from content


def _watched(pieces: Iterator[bytes], allowance: Allowance) -> Iterator[bytes]:
    """Give the pieces, those too that are no image's, while they are worth waiting for."""
    for piece in pieces:
        allowance.go_on_or_stop()
        yield piece


def _contents(
    answer: StreamedAnswer, pieces: Iterator[bytes]
) -> Iterator[Iterator[bytes | memoryview]]:
    kind, parameters = content_type(answer.headers.get("Content-Type", ""))
    if kind == DICOM:
        if not answer.is_framed:
            raise BrokeOff("The image archive must say where an image ends; it did not.")
        yield pieces
        return
    if kind != "multipart/related":
        raise PacsError("The image archive must send DICOM; it sent something else.")
    part: Part | None = None
    for part in read_parts(pieces, parameters.get("boundary", "")):
        if part[0] not in (DICOM, ""):
            raise PacsError("The image archive must send DICOM; it sent something else.")
        yield part[1]
    if part is None:
        raise _missing()


def _check_status(answer: AnswerHead) -> None:
    status = answer.status
    if status == 200:
        return
    if status == 401:
        raise LaunchExpired("The image archive must accept your sign-in; it has run out.")
    if status == 403:
        raise PacsError(
            "The image archive must allow you to see these images; it refused.",
            code="archive_forbidden",
            next_step="Ask for access to the images, then open Wetread again.",
        )
    if status in (404, 410):
        raise _missing()
    if status == 500:
        raise RequestFailed("The image archive must answer; it reported an error (500).")
    if status == 429 or status > 501:
        raise PacsUnavailable(
            f"The image archive must answer; it reported an error ({status}).",
            retry_after_s=answer.retry_after_s,
        )
    raise RequestRefused(f"The image archive must send the images; it answered {status}.")


def _from_transport(error: TransportError) -> PacsError:
    if error.code == "cut_short":
        return BrokeOff("The image archive must send whole images; one broke off.")
    if error.retryable:
        return PacsUnavailable("The image archive must answer in time and completely; it did not.")
    if error.code == "too_large":
        return too_large("study")
    return PacsError(
        "The image archive must answer itself, over a connection that can be trusted; "
        f"it was refused ({error.code})."
    )


def _missing() -> ImageMissing:
    return ImageMissing(
        "Every image that the record lists must be in the archive; at least one is missing there."
    )


def _listed(answer: StreamedAnswer) -> tuple[str, ...] | None:
    """Read the SOP Instance UIDs of a list (DICOM JSON, PS3.18 F.2); None if it is no such list."""
    try:
        entries = json.loads(b"".join(answer.pieces))
        uids = [entry[SOP_INSTANCE_UID]["Value"][0] for entry in entries]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    if not all(isinstance(uid, str) and UID.fullmatch(uid) for uid in uids):
        return None
    return tuple(dict.fromkeys(uids))


def _path(study: str, series: str | None, instance: str | None) -> str:
    levels = (("studies", study), ("series", series), ("instances", instance))
    return "".join(f"/{name}/{_uid(value)}" for name, value in levels if value is not None)


def _uid(value: str) -> str:
    """Refuse what is no UID: it goes into an address (PS3.5 9.1)."""
    if len(value) > 64 or not UID.fullmatch(value):
        raise PacsError(
            "The record's DICOM numbers must be digits and dots; one is not.", code="uid_invalid"
        )
    return value
