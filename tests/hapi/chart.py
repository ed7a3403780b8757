"""The record as it lies in HAPI, seen without any gateway, token or client of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

Resource = dict[str, Any]
FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True)
class Chart:
    """Asks a FHIR server directly.

    Attributes
    ----------
    url : str
        FHIR base.
    """

    url: str

    def read(self, place: str) -> Resource:
        """Read ``Type/id``."""
        return self._ok(self.send("GET", f"/{place}"))

    def search(self, kind: str, **query: str) -> list[Resource]:
        """Give the first page of a search, never from HAPI's memory."""
        bundle = self._ok(self.send("GET", f"/{kind}", params={"_count": "50"} | query))
        return [entry["resource"] for entry in bundle.get("entry", [])]

    def put(self, resource: Resource) -> Resource:
        """Put a resource under its id, whatever lies there."""
        path = f"/{resource['resourceType']}/{resource['id']}"
        return self._ok(self.send("PUT", path, json=resource))

    def delete(self, resource: Resource) -> None:
        """Delete a resource; HAPI keeps its history."""
        self._ok(self.send("DELETE", f"/{resource['resourceType']}/{resource['id']}"))

    def history(self, place: str) -> list[Resource]:
        """Give every version of an entry, newest first."""
        bundle = self._ok(self.send("GET", f"/{place}/_history"))
        return [entry["resource"] for entry in bundle["entry"]]

    def complaints(self, resource: Resource) -> list[str]:
        """Give the errors that `$validate` finds in a resource; warnings are left out."""
        path = f"/{resource['resourceType']}/$validate"
        outcome = self.send("POST", path, json=resource).json()
        return [
            f"{issue.get('location')}: {issue.get('diagnostics')}"
            for issue in outcome["issue"]
            if issue["severity"] in ("error", "fatal")
        ]

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request as FHIR JSON."""
        headers = {"Accept": FHIR_JSON, "Content-Type": FHIR_JSON, "Cache-Control": "no-cache"}
        headers |= more.pop("headers", {})
        return requests.request(method, f"{self.url}{path}", headers=headers, timeout=60, **more)

    @staticmethod
    def _ok(answer: requests.Response) -> Resource:
        assert answer.ok, f"{answer.status_code} {answer.text[:1000]}"
        found: Resource = answer.json()
        return found
