"""Does the broker answer? Asked before a worker starts, and by `wetread check`."""

from __future__ import annotations

from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from plugin.errors import PluginError, SettingsError
from plugin.jobs.messages import make_celery
from plugin.settings import Settings

ANSWER_SECONDS = 3
# What kombu raises before it connects.
UNUSABLE: dict[type[Exception], str] = {
    KeyError: "there is no such kind of broker",
    ImportError: "its driver is not installed",
    AttributeError: "its driver is not installed",
    ValueError: "it is no address",
    TypeError: "it is no address",
}


class BrokerSilent(PluginError):  # noqa: N818 - it may answer later: no setting is wrong
    """The broker is a usable one and does not answer."""

    code = "broker"
    title = "Wetread's broker does not answer"
    next_step = "Start the broker, or correct WETREAD_BROKER_URL."


def check_broker(settings: Settings) -> None:
    """Connect to the broker once.

    Raises
    ------
    SettingsError
        No transport, or no driver, for this address.
    BrokerSilent
        Nothing answers there.
    """
    shown = _shown(settings.broker_url)
    try:
        connection = make_celery(settings).connection_for_write(connect_timeout=ANSWER_SECONDS)
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=ANSWER_SECONDS)
    except (OperationalError, OSError) as error:
        raise BrokerSilent(
            f"the broker of broker_url (WETREAD_BROKER_URL) must answer; {shown} does not"
        ) from error
    except Exception as error:  # kombu's transports raise what they like
        fitting = (words for kind, words in UNUSABLE.items() if isinstance(error, kind))
        reason = next(fitting, type(error).__name__)
        raise SettingsError(
            "broker_url (WETREAD_BROKER_URL) must be a Celery broker whose driver is installed; "
            f"got {shown} ({reason})"
        ) from error


def _shown(address: str) -> str:
    """Show an address without its password."""
    try:
        return str(maybe_sanitize_url(address))
    except ValueError:
        return "something else"
