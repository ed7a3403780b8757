"""Pictures of instances for the viewer's own pages."""

from __future__ import annotations

from functools import lru_cache

from flask import Response, abort, request

from sandbox.dicomweb import imaging
from sandbox.dicomweb.archive import is_uid
from sandbox.dicomweb.errors import DicomwebError
from sandbox.images.rendering import LONGEST_SIDE, rendered_jpeg
from sandbox.viewer.door import blueprint

THUMBNAIL_SIDE = 320


@blueprint.get("/viewer/pictures/<study>/<series>/<sop>.jpg")
def picture(study: str, series: str, sop: str) -> Response:
    """One instance as JPEG; ``size=small`` for a thumbnail."""
    if not all(is_uid(uid) for uid in (study, series, sop)):
        abort(404)
    side = THUMBNAIL_SIDE if request.args.get("size") == "small" else LONGEST_SIDE
    try:
        data = _drawn(imaging.current().base, (study, series, sop), side)
    except DicomwebError as error:
        abort(404 if error.status in (404, 406) else 502)
    answer = Response(data, mimetype="image/jpeg")
    # An instance never changes under its UID.
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


@lru_cache(maxsize=64)
def _drawn(_hospital: str, uids: tuple[str, str, str], side: int) -> bytes:
    # JPEG 2000 takes its time, and lists show the same thumbnails again and again. The hospital's
    # address is part of the key, since tests open several in one process.
    return rendered_jpeg(imaging.current().archive.read(*uids), side)
