"""Reading and writing FHIR R4 with an access token (http.html; SMART "Access FHIR API").

The token goes to the base address that it was given for, and nowhere else.
"""

from __future__ import annotations

from urllib.parse import quote

from smart_launch.errors import FhirError, FhirUnavailable
from smart_launch.fhir_addresses import require_type, resource_path
from smart_launch.fhir_answers import resource_of
from smart_launch.fhir_reader import FhirReader, Resource
from smart_launch.stored import Stored, bare_etag, read_stored

_QUERY_CHARACTERS = "=&|:/?%+,;$@!*'()~"
# The answer to a write tells what the server made of it.
_WHOLE = {"Prefer": "return=representation"}


class FhirClient(FhirReader):
    """One FHIR server, with one access token: asked, and written to.

    Parameters and errors are those of `FhirReader`.
    """

    def create(self, resource: Resource, *, if_none_exist: str | None = None) -> Stored:
        """Create a resource; never repeated, because a lost answer may hide a success.

        Parameters
        ----------
        if_none_exist : str, optional
            Search parameters, such as ``identifier=system|value``, that must match nothing.

        References
        ----------
        FHIR R4, http.html#create, http.html#ccreate
        """
        headers = dict(_WHOLE)
        if if_none_exist is not None:
            # A header holds ASCII only; a line break in it would begin another header.
            headers["If-None-Exist"] = quote(if_none_exist, safe=_QUERY_CHARACTERS)
        resource_type = _type_of(resource)
        answer = self._send(
            "POST", f"{self.base_url}/{resource_type}", headers=headers, body=resource
        )
        return read_stored(answer, resource_type, resource, None)

    def update(
        self, resource: Resource, *, if_match: str | None = None, only_new: bool = False
    ) -> Stored:
        """Put a resource under its id; never repeated, because others may have changed it since.

        Parameters
        ----------
        if_match : str, optional
            Version that must still be current.
        only_new : bool
            Ask the server to refuse where something lies already. Not every server listens:
            `Stored.created` tells.

        References
        ----------
        FHIR R4, http.html#update, http.html#concurrency; RFC 9110 13.1.2
        """
        resource_type = _type_of(resource)
        resource_id = str(resource.get("id", ""))
        path = resource_path(resource_type, resource_id)
        headers = dict(_WHOLE)
        if if_match is not None:
            headers["If-Match"] = f'W/"{bare_etag(if_match)}"'
        if only_new:
            headers["If-None-Match"] = "*"
        answer = self._send(
            "PUT", f"{self.base_url}/{path}", headers=headers, body=resource, repeatable=False
        )
        return read_stored(answer, resource_type, resource, resource_id)

    def transaction(self, bundle: Resource, *, repeatable: bool = False) -> Resource:
        """Send a transaction Bundle and return the server's response Bundle.

        What was written does not come back with it: an entry that reads it does that.

        Parameters
        ----------
        repeatable : bool
            True only when every entry is a PUT under an id of our own.

        References
        ----------
        FHIR R4, http.html#transaction
        """
        headers = {"Prefer": "return=minimal"}
        answer = self._send(
            "POST", self.base_url, headers=headers, body=bundle, repeatable=repeatable
        )
        response = resource_of(answer)
        if response["resourceType"] != "Bundle":
            raise FhirUnavailable(
                "not_fhir", "The record system did not confirm what was sent.", status=answer.status
            )
        return response

    def validate(self, resource: Resource, *, mode: str | None = None) -> Resource:
        """Let the server check a resource without storing it; returns its OperationOutcome.

        Parameters
        ----------
        mode : str, optional
            ``create`` or ``update``: whether it could be stored in this way, too.

        References
        ----------
        FHIR R4, resource-operation-validate.html
        """
        address = f"{self.base_url}/{_type_of(resource)}/$validate"
        parameters = (("mode", mode),) if mode else ()
        return resource_of(
            self._send("POST", address, parameters=parameters, body=resource, repeatable=True)
        )


def _type_of(resource: Resource) -> str:
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str):
        raise FhirError("reference_invalid", "Only a FHIR resource can be sent.")
    require_type(resource_type)
    return resource_type
