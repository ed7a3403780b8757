"""The gateway to a real PACS: the same answers out of its DICOMweb service.

The PACS knows no bearer tokens (Orthanc: Basic authentication only), so the hospital asks in its
own name, after `routes` has checked the caller. Answers are streamed through; addresses in JSON
answers are turned into the hospital's own, so that no caller ever learns where the PACS is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
from flask import Response

from sandbox.dicomweb.archive import Incoming, InstanceSummary, Json, StoreOutcome
from sandbox.dicomweb.errors import (
    DUPLICATE,
    ArchiveUnavailable,
    BadQuery,
    DicomwebError,
    InstanceRefused,
    NotAcceptable,
    NotStored,
)
from sandbox.dicomweb.multipart import boundary_of, read_parts
from sandbox.dicomweb.query import parse_query
from sandbox.dicomweb.rebasing import rebase
from sandbox.dicomweb.remote_body import StoreBody, pieces_of
from sandbox.dicomweb.service import DICOM_JSON, SearchRequest, Target

_TIMEOUT_S = (5.0, 60.0)
_ANY_DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_PASSED_ON = ("Content-Type", "Content-Length", "Content-Encoding")
_REFUSALS: Mapping[int, type[DicomwebError]] = {
    400: BadQuery,
    404: NotStored,
    406: NotAcceptable,
}


class RemoteService:
    """A PACS's DICOMweb service.

    Parameters
    ----------
    url : str
        Service root; Basic credentials may stand in its userinfo and are taken out of it.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self.root = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._session = requests.Session()
        # Neither ~/.netrc nor a proxy may come between the hospital and its PACS.
        self._session.trust_env = False
        if parts.username:
            self._session.auth = (unquote(parts.username), unquote(parts.password or ""))
        # Compressed answers of Orthanc are fifteen times slower than plain ones.
        self._session.headers["Accept-Encoding"] = "identity"

    def search(self, request: SearchRequest, base: str) -> tuple[list[Json], Sequence[str]]:
        """Find studies, series or instances; answers them and the warnings to send along."""
        query = parse_query(request.arguments)
        level = {"study": "studies", "series": "series", "instance": "instances"}[request.level]
        parts = ["studies", request.study_uid] if request.study_uid else []
        parts += ["series", request.series_uid] if request.series_uid else []
        # Paging comes after the access filter: it would otherwise count what nobody may see.
        passed = [(n, v) for n, v in request.arguments if n not in ("limit", "offset", "accept")]
        answer = self._get("/".join([*(p for p in parts if p), level]), DICOM_JSON, passed)
        found = [one for one in self._json(answer) if _allowed(one, request.allowed)]
        rebased = [cast(Json, rebase(one, base)) for one in found]
        return rebased[query.offset : query.offset + query.limit], query.warnings

    def retrieve(self, target: Target, accept: str) -> Response:
        """Send instances in the transfer syntax in which they are stored, where acceptable."""
        return self._through(target.path, accept or _ANY_DICOM)

    def metadata(self, target: Target, base: str) -> list[Json]:
        """DICOM JSON of every instance, with addresses instead of large values."""
        found = self._json(self._get(f"{target.path}/metadata", DICOM_JSON))
        return [cast(Json, rebase(one, base)) for one in found]

    def frames(self, target: Target, numbers: Sequence[int], accept: str) -> Response:
        """Send frames of one instance as stored."""
        listed = ",".join(str(number) for number in numbers)
        return self._through(f"{target.path}/frames/{listed}", accept)

    def bulk_data(self, target: Target, place: str, accept: str) -> Response:
        """Send one large value of one instance."""
        return self._through(f"{target.path}/{place}", accept)

    def rendered(self, target: Target) -> Response:
        """Send a picture of one instance (JPEG)."""
        return self._through(f"{target.path}/rendered", "image/jpeg")

    def instances(self, study_uid: str) -> Sequence[InstanceSummary]:
        """List a study's instances by series and instance number; empty when unknown."""
        wanted = "0020000E,00080018,00080016,00080060,00180015,00185101,00200011,00200013,0008103E"
        wanted += ",00280010,00280011,00280008"
        path = f"{Target(study_uid).path}/instances"
        found = self._json(self._get(path, DICOM_JSON, [("includefield", wanted)]))
        summaries = [_summary(study_uid, one) for one in found]
        return sorted(summaries, key=lambda s: (s.series_number or 0, s.instance_number or 0))

    def read(self, study_uid: str, series_uid: str, sop_uid: str) -> bytes:
        """Read one Part 10 file, in the transfer syntax in which it is stored.

        Raises
        ------
        NotStored, ArchiveUnavailable
        """
        answer = self._get(Target(study_uid, series_uid, sop_uid).path, _ANY_DICOM)
        with answer:
            stream = cast("IO[bytes]", answer.raw)
            try:
                boundary = boundary_of(answer.headers.get("Content-Type", ""))
                for _, pieces in read_parts(stream, boundary):
                    return b"".join(pieces)
            except DicomwebError as error:
                raise ArchiveUnavailable("The PACS must answer with DICOM; it did not") from error
        raise NotStored("The PACS has no such instance")

    def store(self, incoming: Sequence[Incoming]) -> list[StoreOutcome]:
        """Store instances that have been admitted; each is stored whole or not at all."""
        body = StoreBody([one.path for one in incoming])
        headers = {"Content-Type": body.content_type, "Accept": DICOM_JSON}
        answer = self._send("POST", "studies", headers=headers, data=body)
        if answer.status_code not in (200, 202, 409):
            raise ArchiveUnavailable(f"The PACS refused to store; it answered {answer.status_code}")
        failures = _failures(self._body(answer))
        return [_outcome(one, failures) for one in incoming]

    def _through(self, path: str, accept: str) -> Response:
        answer = self._get(path, accept)
        headers = {n: answer.headers[n] for n in _PASSED_ON if n in answer.headers}
        return Response(pieces_of(answer), answer.status_code, headers)

    def _get(
        self, path: str, accept: str, parameters: Sequence[tuple[str, str]] = ()
    ) -> requests.Response:
        headers = {"Accept": accept} if accept else {}
        answer = self._send("GET", path, headers=headers, params=list(parameters), stream=True)
        if answer.status_code in (200, 204, 206):
            return answer
        answer.close()
        if refusal := _REFUSALS.get(answer.status_code):
            raise refusal("The PACS has no such thing, or not in a form that was asked for")
        raise ArchiveUnavailable(f"The PACS must answer 200; it answered {answer.status_code}")

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            return self._session.request(
                method,
                f"{self.root}/{path}",
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                **options,
            )
        except requests.RequestException as error:
            raise ArchiveUnavailable("The PACS could not be reached") from error

    def _json(self, answer: requests.Response) -> list[Json]:
        found = [] if answer.status_code == 204 else self._body(answer)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise ArchiveUnavailable("The PACS must answer with a list of DICOM JSON objects")
        return found

    def _body(self, answer: requests.Response) -> Any:
        try:
            with answer:
                return answer.json()
        except (requests.RequestException, ValueError) as error:
            raise ArchiveUnavailable("The PACS must answer with DICOM JSON; it did not") from error


def _first(dataset: Json, tag: str) -> Any:
    return (dataset.get(tag, {}).get("Value") or [None])[0]


def _allowed(dataset: Json, allowed: frozenset[str] | None) -> bool:
    return allowed is None or _first(dataset, "0020000D") in allowed


def _summary(study_uid: str, found: Json) -> InstanceSummary:
    def text(tag: str) -> str:
        return str(_first(found, tag) or "")

    def number(tag: str) -> int | None:
        value = _first(found, tag)
        return None if value is None else int(value)

    return InstanceSummary(
        study_uid=study_uid,
        series_uid=text("0020000E"),
        sop_uid=text("00080018"),
        sop_class_uid=text("00080016"),
        modality=text("00080060"),
        body_part=text("00180015"),
        view=text("00185101"),
        series_number=number("00200011"),
        instance_number=number("00200013"),
        series_description=text("0008103E"),
        rows=number("00280010"),
        columns=number("00280011"),
        frames=number("00280008") or 1,
    )


def _failures(answer: Any) -> dict[str, int]:
    sequence = answer.get("00081198", {}).get("Value", []) if isinstance(answer, dict) else []
    return {str(_first(o, "00081155")): int(_first(o, "00081197") or 0x0110) for o in sequence}


def _outcome(one: Incoming, failures: Mapping[str, int]) -> StoreOutcome:
    reason = failures.get(one.sop_uid)
    if reason is None:
        return StoreOutcome(one.sop_class_uid, one.sop_uid, instance=one)
    sentence = "The PACS has this image already" if reason == DUPLICATE else "The PACS refused it"
    return StoreOutcome(one.sop_class_uid, one.sop_uid, refused=InstanceRefused(sentence, reason))
