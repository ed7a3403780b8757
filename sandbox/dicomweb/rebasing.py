"""Addresses in a PACS's JSON answers, turned into the hospital's own."""

from __future__ import annotations

import re
from typing import Any

_BELOW_ROOT = re.compile(r"/studies/[0-9.]+(?:/.*)?\Z")


def rebase(value: Any, base: str) -> Any:
    """Replace every retrieve and bulk data address.

    Orthanc builds them from the Host header without its port (dicomweb-client sends none), so the
    start of an address says nothing: what follows the service root is kept.

    Parameters
    ----------
    value : JSON value
        A DICOM JSON data set, or a part of one.
    base : str
        The hospital's DICOMweb address.
    """
    if isinstance(value, list):
        return [rebase(one, base) for one in value]
    if not isinstance(value, dict):
        return value
    if "BulkDataURI" in value:
        return value | {"BulkDataURI": _moved(value["BulkDataURI"], base)}
    if value.get("vr") == "UR":
        return value | {"Value": [_moved(one, base) for one in value.get("Value", [])]}
    return {key: rebase(one, base) for key, one in value.items()}


def _moved(address: object, base: str) -> str:
    found = _BELOW_ROOT.search(str(address))
    return base + found.group(0) if found else ""
