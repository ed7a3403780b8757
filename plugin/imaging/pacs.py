"""Images from the archive over WADO-RS (DICOM PS3.18 10.4), as they are stored there.

One request per image where the study lists its images, so that memory holds one file at a time and
a missing image is noticed by name. The address was checked by `studies.ArchiveRules` before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from plugin.errors import LaunchExpired, PluginError
from plugin.imaging.imaging_study import Archive, Series
from plugin.imaging.multipart import MultipartError, content_type, split_parts
from smart_launch.answer import Answer
from smart_launch.errors import TransportError
from smart_launch.http import Http

DICOM = "application/dicom"
# transfer-syntax=*: an archive that cannot recompress still gives what it has (Orthanc, JPEG 2000).
HEADERS = {
    "Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*',
    # Compressing pixels on the fly costs Orthanc more time than the network saves.
    "Accept-Encoding": "identity",
}
UID = re.compile(r"[0-9]+(\.[0-9]+)*")
TokenSource = Callable[[str | None], str]
Files = Sequence[bytes | memoryview]


class PacsError(PluginError):
    """The image archive's answer cannot be used."""

    code = "archive_unusable"
    title = "The images could not be fetched"
    next_step = "Try again; if it happens again, tell the imaging department."
    status = 502
    retryable = False


class PacsUnavailable(PacsError):  # noqa: N818 (a state that passes)
    """The archive is slow, busy or broken just now; the same request may work later."""

    code = "archive_unavailable"
    next_step = "Try again in a minute."
    retryable = True


class ImageMissing(PacsError):  # noqa: N818 (named for what is wrong)
    """The record lists an image that the archive does not have."""

    code = "image_missing"
    next_step = "Wait until all images have arrived, or tell the imaging department."


@dataclass(frozen=True)
class Pacs:
    """One archive, as one launch sees it.

    Parameters
    ----------
    http : Http
        With limits that fit images; shared, so that connections are reused.
    archive : Archive
        Checked by `ArchiveRules`.
    token : callable
        Gives an access token; called with a token that was rejected it gives a fresh one.
    """

    http: Http
    archive: Archive
    token: TokenSource

    def fetch_series(self, study_uid: str, series: Series) -> Iterator[bytes]:
        """Yield every image of a series as DICOM file.

        Raises
        ------
        ImageMissing, PacsUnavailable, PacsError, LaunchExpired
            Nothing is left out silently.
        """
        address = f"{self.archive.url}/studies/{_uid(study_uid)}/series/{_uid(series.uid)}"
        if not series.instances:
            found = self._fetch(address)
            if len(found) < series.count:
                raise _missing()
            yield from map(bytes, found)
            return
        for instance in series.instances:
            yield from map(bytes, self._fetch(f"{address}/instances/{_uid(instance)}"))

    def _fetch(self, address: str) -> Files:
        """Ask for files; views of one answer, so that a series does not lie in memory twice."""
        token = self.token(None) if self.archive.wants_token else None
        answer = self._get(address, token)
        if answer.status == 401 and token is not None:
            # It ran out between two images: once more with a fresh one.
            answer = self._get(address, self.token(token))
        _check_status(answer.status)
        return _files(answer)

    def _get(self, address: str, token: str | None) -> Answer:
        headers = HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            return self.http.send("GET", address, headers=headers)
        except TransportError as error:
            if error.retryable:
                raise PacsUnavailable(
                    "The image archive must answer in time and completely; it did not."
                ) from error
            raise PacsError(
                "The image archive's answer must be within the limits and come from itself; "
                f"it was refused ({error.code})."
            ) from error


def _check_status(status: int) -> None:
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
    if status == 429 or status >= 500:
        raise PacsUnavailable(f"The image archive must answer; it reported an error ({status}).")
    raise PacsError(f"The image archive must send the images; it answered {status}.")


def _missing() -> ImageMissing:
    return ImageMissing(
        "Every image that the record lists must be in the archive; at least one is missing there."
    )


def _files(answer: Answer) -> Files:
    kind, parameters = content_type(answer.headers.get("Content-Type", ""))
    if kind == DICOM:
        return [answer.body]
    if kind != "multipart/related":
        raise PacsError("The image archive must send DICOM; it sent something else.")
    try:
        parts = list(split_parts(answer.body, parameters.get("boundary", "")))
    except MultipartError as error:
        raise PacsUnavailable("The image archive must send whole images; one broke off.") from error
    if not parts:
        raise _missing()
    if any(part_kind not in (DICOM, "") for part_kind, _ in parts):
        raise PacsError("The image archive must send DICOM; it sent something else.")
    return [content for _, content in parts]


def _uid(value: str) -> str:
    """Refuse what is no UID: it goes into an address (PS3.5 9.1)."""
    if len(value) > 64 or not UID.fullmatch(value):
        raise PacsError(
            "The record's DICOM numbers must be digits and dots; one is not.", code="uid_invalid"
        )
    return value
