"""The application alone: a model card needs no launch, no worker and no hospital."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from plugin import create_app
from plugin.launching.handles import EXTENSION
from plugin.launching.keys import SecretKeys
from plugin.services import Services
from plugin.settings import Settings


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = Settings(
        base_url="http://127.0.0.1:8081",
        data_dir=tmp_path_factory.mktemp("wetread"),
        secret_keys=SecretKeys.generate().dump(),
        ehrs=(),
    )
    app = create_app(settings)
    yield app.test_client()
    services: Services = app.extensions[EXTENSION]
    services.database.close()
