"""All checks in the order in which things depend on each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plugin.checks.ehr import check_ehr
from plugin.checks.jwks import check_jwks
from plugin.checks.machine import check_address, check_clock, check_worker, judged
from plugin.checks.models import check_models
from plugin.checks.result import Result
from plugin.ehrs import Ehr
from plugin.errors import PluginError, SettingsError
from plugin.jobs.broker import check_broker
from plugin.services import Services, build_services
from plugin.settings import Settings, load_settings, unknown_variables

SECRETS = "secret keys and database"


def all_checks(
    env: Mapping[str, str], *, ehr_id: str | None = None, with_launch: bool = True
) -> Iterator[Result]:
    """Run every check; a check that needs an earlier, failed one is left out.

    Parameters
    ----------
    env : mapping
        The environment, as `load_settings` takes it.
    ehr_id : str, optional
        Look at this EHR alone, and not at machine and models.
    with_launch : bool
        Also look as the user of the newest open launch, who then appears in the EHR's audit log.
    """
    try:
        settings = load_settings(env)
        chosen = choose(settings, ehr_id)
    except PluginError as error:
        yield Result("failure", "configuration", "settings", error.text, error.next_step)
        return
    yield from describe(settings, env)
    if ehr_id is None:
        yield check_address(settings)
    yield from check_services(settings, chosen, whole=ehr_id is None, with_launch=with_launch)
    if ehr_id is None:
        yield from check_models(settings)


def choose(settings: Settings, ehr_id: str | None) -> tuple[Ehr, ...]:
    """Give the EHRs to look at.

    Raises
    ------
    SettingsError
        No EHR has this id.
    """
    chosen = tuple(ehr for ehr in settings.ehrs if ehr_id in (None, ehr.id))
    if ehr_id is not None and not chosen:
        known = ", ".join(ehr.id for ehr in settings.ehrs) or "(none)"
        raise SettingsError(
            f"--ehr must be a registered id; got {ehr_id!r}", next_step=f"Registered are: {known}."
        )
    return chosen


def describe(settings: Settings, env: Mapping[str, str]) -> Iterator[Result]:
    """Say what is configured, and what of it means nothing."""
    text = f"served as {settings.base_url}, {len(settings.ehrs)} EHR(s)"
    yield Result("ok", "configuration", "settings", text)
    for name in unknown_variables(env):
        text = f"{name} means nothing"
        yield Result("warning", "configuration", "variable", text, "Correct its spelling.")
    if not settings.ehrs:
        remedy = "Add an [[ehrs]] table to wetread.toml; docs/register.md shows one per vendor."
        yield Result("warning", "EHRs", "ehrs", "none is registered", remedy)


def check_services(
    settings: Settings, ehrs: tuple[Ehr, ...], *, whole: bool, with_launch: bool
) -> Iterator[Result]:
    """Look at keys, database and broker, and at everything that needs them."""
    try:
        services = build_services(settings)
    except PluginError as error:
        yield Result("failure", SECRETS, "services", error.text, error.next_step)
        return
    try:
        yield Result("ok", SECRETS, "services", "the keys open the database, its tables are new")
        yield from check_jwks(services)
        for ehr in ehrs:
            yield from check_ehr(services, ehr, with_launch=with_launch)
        if whole:
            yield from check_running(services)
    finally:
        services.database.close()


def check_running(services: Services) -> Iterator[Result]:
    """Look at what must run beside the web server."""
    settings = services.settings
    # A broker in a folder lies beside the database.
    yield judged("broker", "broker", check_broker, settings, "it can be reached")
    yield check_clock(services.database.clock_difference_s(), settings.job_lease_s)
    yield check_worker(services)
