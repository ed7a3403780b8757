"""Which kinds of writing the hospital plays (its ``write_profile``).

========================  =========================================================
``transaction-put``       everything: transactions, PUT with ids of one's own, POST
``put``                   no transactions; PUT may create, POST too
``create``                no transactions; POST only creates, PUT only what is there
``none``                  nothing is written
========================  =========================================================
"""

from __future__ import annotations

from sandbox.errors import FhirProblem
from sandbox.fhir_backend import ValidationMode
from sandbox.settings import WriteProfile


def check_transaction(profile: WriteProfile) -> None:
    """Refuse Bundles where the profile has none.

    Raises
    ------
    FhirProblem
        405.
    """
    if profile != "transaction-put":
        raise _not_offered("transactions and batches are not offered by this server")


def check_create(profile: WriteProfile) -> None:
    """Refuse POST where nothing is written."""
    if profile == "none":
        raise _not_offered("this server is read only")


def check_update(profile: WriteProfile, *, exists: bool) -> None:
    """Refuse PUT where nothing is written, or where it may not create."""
    if profile == "none":
        raise _not_offered("this server is read only")
    if profile == "create" and not exists:
        raise _not_offered("this server gives the ids itself: PUT changes only what is there")


def check_validate(profile: WriteProfile, mode: ValidationMode | None) -> None:
    """Refuse to validate for a write that is not offered.

    Whether an update may create is looked at where the record is looked up.
    """
    if profile == "none" and mode is not None:
        raise _not_offered("this server is read only")


def _not_offered(text: str) -> FhirProblem:
    return FhirProblem(405, "not-supported", text)
