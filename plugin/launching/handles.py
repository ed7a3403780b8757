"""The launch handle: a header, as secret as a token, that names the open launch of a request."""

from __future__ import annotations

from flask import current_app, g, request

from plugin.errors import HandleInvalid
from plugin.launching.launches import OpenLaunch
from plugin.services import Services

HEADER = "Wetread-Handle"
EXTENSION = "wetread"


def services() -> Services:
    """Give the services of the running application."""
    found: Services = current_app.extensions[EXTENSION]
    return found


def current_launch() -> OpenLaunch:
    """Give the open launch whose handle the request carries.

    Raises
    ------
    HandleInvalid
        No handle, an unknown one, or one whose launch has ended or expired (401).
    """
    if "launch" not in g:
        handle = request.headers.get(HEADER, "")
        if not handle:
            raise HandleInvalid("every request of a page must carry its launch; got none")
        g.launch = services().launches.by_handle(handle)
    found: OpenLaunch = g.launch
    return found
