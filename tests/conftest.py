"""Servers that tests of several packages share.

Training's environment loads this too: the modules named here import nothing but pytest.
"""

from __future__ import annotations

pytest_plugins = ["tests.hapi.fixtures", "tests.orthanc.fixtures"]
