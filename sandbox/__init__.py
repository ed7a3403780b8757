"""The demo hospital: authorization server, FHIR R4, DICOMweb and a clinical viewer.

It is the other side of a SMART launch and shares no code with ``plugin`` or ``smart_launch``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from sandbox.settings import SandboxSettings


def create_app(settings: SandboxSettings) -> Flask:
    """Build the hospital, in the order in which a launch meets its parts.

    Parameters
    ----------
    settings : SandboxSettings
        Addresses, registered clients, folders and switches.

    Returns
    -------
    flask.Flask
        The application; ``sandbox.hospital.current()`` gives its services in a request.
    """
    from flask import Flask

    from sandbox import authorization, dicomweb, fhir, health, hospital, viewer
    from sandbox.request_log import log_requests

    app = Flask("sandbox", static_folder=None, template_folder=None)
    hospital.open_hospital(app, settings)
    if settings.request_log is not None:
        log_requests(app, settings.request_log)
    app.register_blueprint(viewer.blueprint)
    app.register_blueprint(authorization.blueprint)
    app.register_blueprint(fhir.blueprint)
    app.register_blueprint(dicomweb.blueprint)
    app.register_blueprint(health.blueprint)
    return app
