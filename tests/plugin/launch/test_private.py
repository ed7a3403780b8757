"""What lies on the disk is for Wetread's own user alone."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from plugin.database import Database
from plugin.errors import SettingsError
from plugin.services import close_to_others

NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_prepared_folder_that_others_may_enter_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    close_to_others(folder)
    assert mode(folder) == 0o700


@pytest.mark.parametrize(("left", "refused"), [(0o777, True), (0o755, True), (0o770, False)])
def test_an_open_folder_of_somebody_else_stops_the_start(left: int, refused: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(left)
        os.seteuid(NOBODY)
        try:
            if refused:
                with pytest.raises(SettingsError, match="closed to other users"):
                    close_to_others(folder)
            else:
                close_to_others(folder)
        finally:
            os.seteuid(0)
        assert mode(folder) == left


def test_no_file_of_the_database_is_readable_by_others(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        database = Database(f"sqlite:///{tmp_path / 'wetread.sqlite3'}")
        database.upgrade()
        with database.session():
            modes = {path.name: mode(path) for path in tmp_path.iterdir()}
        database.close()
    finally:
        os.umask(before)
    assert "wetread.sqlite3" in modes
    assert set(modes.values()) == {0o600}
