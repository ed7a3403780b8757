"""One EHR, from its address to a dry write; what builds on something failed is left out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from plugin.checks.discovery import check_discovery, check_own_name, fetch_statement
from plugin.checks.granted import HOW_TO_LAUNCH, check_backend, check_launch_scopes, check_user
from plugin.checks.imaging import check_archive, check_studies
from plugin.checks.jwks import check_caller_keys
from plugin.checks.patient_numbers import check_numbers
from plugin.checks.promises import check_write_mode, lacking
from plugin.checks.reachability import explain
from plugin.checks.registered import check_client, list_addresses
from plugin.checks.result import Result
from plugin.checks.sign_in_page import check_sign_in_page
from plugin.checks.writing import check_writing
from plugin.ehrs import Ehr
from plugin.errors import LaunchExpired, PluginError
from plugin.launching.launches import OpenLaunch
from plugin.record import record_of
from plugin.services import Services
from smart_launch.errors import SmartError, TransportError


def check_ehr(services: Services, ehr: Ehr, *, with_launch: bool = True) -> Iterator[Result]:
    """Look at an EHR as everybody sees it, then as the user of the newest open launch does."""
    subject = f"EHR {ehr.id}"
    yield from list_addresses(services, ehr)
    for origin in ehr.pacs_origins:
        yield check_origin_answers(services, subject, origin)
    documents = yield from check_discovery(services.http, ehr)
    if documents.configuration is None:
        return
    yield from lacking(subject, ehr, documents.configuration)
    yield from check_write_mode(subject, ehr, documents.statement)
    yield from check_client(services, ehr, documents.configuration)
    yield from check_sign_in_page(ehr, documents.configuration)
    yield from check_backend(services, ehr, documents.configuration)
    yield from check_caller_keys(services, ehr)
    if with_launch:
        yield from check_with_launch(services, ehr, closed=documents.closed)


def check_with_launch(services: Services, ehr: Ehr, *, closed: bool) -> Iterator[Result]:
    """Look with the sign-in of the newest open launch: scopes, study, archive, numbers, writing.

    Parameters
    ----------
    closed : bool
        The CapabilityStatement could not be had without a token.
    """
    subject = f"EHR {ehr.id}"
    launch = services.launches.newest_open(ehr)
    if launch is None:
        yield Result("warning", subject, "no_launch", "no launch is open", HOW_TO_LAUNCH)
        return
    yield announce(subject, launch)
    yield from check_launch_scopes(subject, launch)
    try:
        if closed:
            token = services.tokens.access_token(launch.id)
            statement, _ = fetch_statement(services.http, ehr.issuer, token)
            yield from check_own_name(subject, ehr, statement)
            yield from check_write_mode(subject, ehr, statement)
        yield from check_chart(services, launch)
    except LaunchExpired as error:
        yield Result("warning", subject, error.code, error.text, HOW_TO_LAUNCH)
    except PluginError as error:
        yield Result("failure", subject, error.code, error.text, error.next_step)
    except SmartError as error:
        remedy = "Try again; if it happens again, ask the EHR's administrator."
        yield Result("failure", subject, error.code, error.sentence, remedy)


def announce(subject: str, launch: OpenLaunch) -> Result:
    """Say whose sign-in is used, before it is: the EHR's audit log will name this user."""
    # The reference alone: who that is, the EHR's own staff can look up.
    user = "an unnamed user" if launch.user is None else "/".join(launch.user.split("/")[-2:])
    begun = datetime.fromtimestamp(launch.created_at).astimezone().isoformat(" ", "minutes")
    text = f"from here on with the sign-in of {user}, launched {begun}; its audit log names them"
    return Result("info", subject, "signed_in_as", f"{text} (--without-launch leaves this out)")


def check_chart(services: Services, launch: OpenLaunch) -> Iterator[Result]:
    """Read what a reading reads, without pixels, and have the server judge what one would write."""
    ehr, patient = launch.ehr, launch.context.require_patient()
    record = record_of(services, launch)
    yield from check_user(f"EHR {ehr.id}", record, launch)
    study = yield from check_studies(record, ehr, patient)
    if study is None:
        return
    sample = yield from check_archive(services.http, record, ehr, study)
    if sample is not None:
        yield from check_numbers(ehr, record.read("Patient", patient), sample)
    yield from check_writing(record, launch, study)


def check_origin_answers(services: Services, subject: str, origin: str) -> Result:
    """Ask an image archive's origin for anything at all: any answer will do."""
    try:
        services.http.send("GET", f"{origin}/")
    except TransportError as error:
        if error.code in ("redirected", "too_large"):
            return Result("ok", subject, "archive_origin", f"archive {origin} answers")
        trouble = explain(origin, error)
        text = f"archive {origin}: {trouble.text}"
        return Result("failure", subject, trouble.code, text, trouble.remedy)
    return Result("ok", subject, "archive_origin", f"archive {origin} answers")
