"""Wetread's Flask application."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from plugin.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Make the web application, part by part in the order a clinician meets them.

    Parameters
    ----------
    settings : Settings, optional
        Read from wetread.toml and the environment by default.

    Raises
    ------
    plugin.errors.PluginError
        The configuration, the secret keys or the database cannot be used.
    """
    # Imported here: `wetread predict` imports this package and must not pay for Flask.
    from flask import Flask

    from plugin.api import reading_routes, study_routes
    from plugin.cds import routes as cds_routes
    from plugin.launching import launch_routes
    from plugin.launching.handles import EXTENSION
    from plugin.model_cards import routes as model_card_routes
    from plugin.services import build_services
    from plugin.settings import load_settings
    from plugin.web import health_routes
    from plugin.web.access_log import add_access_log
    from plugin.web.problem_pages import add_problem_pages
    from plugin.web.security_headers import add_security_headers

    settings = settings or load_settings()
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.extensions[EXTENSION] = build_services(settings)
    add_security_headers(app, settings.base_url)
    add_access_log(app)
    add_problem_pages(app)
    pages = (launch_routes, study_routes, reading_routes, model_card_routes)
    for part in (*pages, cds_routes, health_routes):
        app.register_blueprint(part.blueprint)
    return app
