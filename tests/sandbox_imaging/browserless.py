"""The viewer, asked as its own pages ask it."""

from __future__ import annotations

import requests

from sandbox.server import RunningSandbox


class Viewer:
    """A browser's session without the browser."""

    def __init__(self, hospital: RunningSandbox) -> None:
        self.base = hospital.base_url
        self.session = requests.Session()
        self.session.get(self.base, timeout=30)

    def get(self, path: str, **more: object) -> requests.Response:
        return self.session.get(f"{self.base}{path}", timeout=30, **more)

    def post(self, path: str, origin: str | None = None, **more: object) -> requests.Response:
        headers = {"Origin": origin or self.base}
        return self.session.post(f"{self.base}{path}", headers=headers, timeout=30, **more)

    def upload(self, patient: str, name: str, data: bytes, **stated: str) -> requests.Response:
        path = f"/viewer/patients/{patient}/images"
        return self.post(path, files={"file": (name, data)}, data=stated)
