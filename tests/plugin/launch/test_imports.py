"""What the web process loads: no pixel library, whose memory belongs to the worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PIXEL_LIBRARIES = (
    "numpy", "pydicom", "cv2", "onnxruntime", "PIL", "dicomweb_client", "gdcm", "tensorflow",
    "openjpeg", "jpeg_ls",
)  # fmt: skip

PROGRAM = """
import json, sys
from plugin import create_app
app = create_app()
client = app.test_client()
paths = ("/healthz", "/readyz", "/launch", "/callback/north", "/api/studies", "/cds-services")
for path in (*paths, "/models", "/models/chest_xray"):
    client.get(path)
client.get("/static/launch.js").close()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_web_process_imports_no_pixel_library(tmp_path: Path, secret_keys: str) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "WETREAD_BASE_URL": "http://127.0.0.1:8081",
        "WETREAD_DATA_DIR": str(tmp_path / "data"),
        "WETREAD_SECRET_KEYS": secret_keys,
        "WETREAD_EHRS": json.dumps(
            [
                {"id": "north", "name": "N", "issuer": "http://127.0.0.1:9/fhir", "client_id": "w"},
            ]
        ),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "flask" in loaded
    assert loaded.isdisjoint(PIXEL_LIBRARIES), loaded & set(PIXEL_LIBRARIES)


def test_package_itself_imports_nothing_heavy() -> None:
    program = "import plugin, plugin.cli, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert {"flask", "sqlalchemy", "numpy"}.isdisjoint(done.stdout.split())
