"""Errors of the plugin, one family.

PluginError
├── SettingsError        configuration that cannot be used; stops the start
├── VaultError           secret keys missing or wrong; stops the start
├── DatabaseError        the database cannot be opened or is newer than the program; stops the start
├── EhrUnknown           an issuer or EHR id outside the registry
├── LaunchDenied         a launch or callback that must not go on
├── HandleInvalid        no open launch belongs to the handle
└── LaunchExpired        the user's token has run out and cannot be renewed

Other modules derive their own errors from `PluginError`. Every error carries what a clinician
reads; none of the texts may hold patient data, tokens or addresses with secrets.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from smart_launch.errors import SmartError


@dataclass(frozen=True)
class Problem:
    """What the user is told, as page or as JSON.

    Attributes
    ----------
    code : str
        Short and stable, for tests and support.
    title, text, next_step : str
        Plain language; the next step says what the reader can do now.
    """

    code: str
    title: str
    text: str
    next_step: str

    def as_json(self) -> dict[str, dict[str, str]]:
        """Give the body of every JSON error answer."""
        return {"problem": asdict(self)}


class PluginError(Exception):
    """Base of all errors that the plugin raises on purpose.

    Parameters
    ----------
    text : str
        The rule, then what arrived.
    code, title, next_step : str, optional
        Replace the class's own.
    """

    code = "wetread_error"
    title = "Wetread could not do this"
    next_step = "Try again; if it happens again, tell your Wetread administrator."
    status = 500

    def __init__(
        self,
        text: str,
        *,
        code: str | None = None,
        title: str | None = None,
        next_step: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.code = code or self.code
        self.title = title or self.title
        self.next_step = next_step or self.next_step
        self.status = status or self.status

    def problem(self) -> Problem:
        """Give what the user reads."""
        return Problem(self.code, self.title, self.text, self.next_step)


class SettingsError(PluginError):
    """Configuration that cannot be used."""

    code = "settings"
    title = "Wetread is not configured correctly"
    next_step = "Correct the setting; docs/settings.md lists all of them."


class VaultError(PluginError):
    """Secret keys that are missing, unreadable or not those of this database."""

    code = "secret_keys"
    title = "Wetread's secret keys do not fit"
    next_step = "Give the key file that this database was used with, or an empty database."


class DatabaseError(PluginError):
    """A database that cannot be used."""

    code = "database"
    title = "Wetread's database cannot be used"
    next_step = "Check WETREAD_DATABASE_URL and that the database is running."


class EhrUnknown(PluginError):  # noqa: N818 - named as the event that the user sees
    """An issuer or EHR id that is not in the registry."""

    code = "ehr_unknown"
    title = "This hospital system is not registered with Wetread"
    next_step = "Ask your Wetread administrator to register it, then open Wetread again."
    status = 400


class LaunchDenied(PluginError):  # noqa: N818 - named as the event that the user sees
    """A launch or callback that must not go on."""

    code = "launch_denied"
    title = "Wetread could not be opened"
    next_step = "Close this page and open Wetread again from the patient's chart."
    status = 400


class HandleInvalid(PluginError):  # noqa: N818 - named as the event that the user sees
    """No open launch belongs to the handle."""

    code = "launch_ended"
    title = "This Wetread page has been closed"
    next_step = "Open Wetread again from the patient's chart."
    status = 401


class LaunchExpired(PluginError):  # noqa: N818 - named as the event that the user sees
    """The user's access token has run out and cannot be renewed."""

    code = "launch_expired"
    title = "Your sign-in for Wetread has run out"
    next_step = "Open Wetread again from the patient's chart; unfinished work goes on then."
    status = 401


TITLES = {
    "DiscoveryError": "The hospital system could not be reached",
    "LaunchRefused": "Wetread could not be opened",
    "TokenRejected": "The hospital system refused Wetread's sign-in",
}


def problem_of(error: PluginError | SmartError) -> Problem:
    """Put either family of errors into words for the user."""
    if isinstance(error, PluginError):
        return error.problem()
    kinds = [kind.__name__ for kind in type(error).__mro__]
    title = next((TITLES[k] for k in kinds if k in TITLES), "The hospital system did not answer")
    step = "Close this page and open Wetread again from the patient's chart."
    return Problem(error.code, title, error.sentence, step)
