"""`wetread train`: the right interpreter, its exit status, and an end in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from plugin.commands import train

STUBBORN = """#!/bin/sh
trap 'echo stopped > "$0.stopped"; exit 130' INT
echo started > "$0.started"
while true; do sleep 0.05; done
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without a training environment, seen from one without TensorFlow."""
    monkeypatch.setattr(train, "CHECKOUT", tmp_path)
    monkeypatch.setattr(train, "find_spec", lambda _: None)
    return tmp_path


def interpreter(checkout: Path, script: str) -> Path:
    path = checkout / ".venv-train" / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.write_text(script)
    path.chmod(0o755)
    return path


def test_without_tensorflow_it_says_in_one_sentence_what_to_do(checkout: Path) -> None:
    done = CliRunner().invoke(train.command, ["chest_xray", "--data", str(checkout)])
    assert done.exit_code == 1
    assert "make setup-train" in done.output
    assert len(done.output.splitlines()) == 1


def test_options_go_to_the_training_environment_and_its_status_comes_back(checkout: Path) -> None:
    path = interpreter(checkout, '#!/bin/sh\nprintf "%s\\n" "$@" > "$0.said"\nexit 7\n')
    options = ["chest_xray", "--data", "my data", "--work", "w"]
    done = CliRunner().invoke(train.command, options)
    assert done.exit_code == 7
    said = path.with_name("python.said").read_text().splitlines()
    assert said == ["-P", "-m", "training", *options]


def test_where_keras_is_installed_this_interpreter_trains(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter(checkout, "#!/bin/sh\n")
    monkeypatch.setattr(train, "find_spec", lambda name: object() if name == "keras" else None)
    assert train.training_python(checkout) == Path(sys.executable)


def test_a_process_killed_by_a_signal_ends_with_the_status_that_shells_use() -> None:
    assert train.run(["/bin/sh", "-c", "kill -TERM $$"]) == 128 + signal.SIGTERM


def test_an_interruption_lets_training_end_in_order(checkout: Path) -> None:
    path = interpreter(checkout, STUBBORN)
    program = (
        # What a shell starts in the background ignores interrupts, and so do its children.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pathlib import Path; from plugin.commands import train;"
        f"train.CHECKOUT = Path({str(checkout)!r}); train.find_spec = lambda _: None;"
        "train.command(['chest_xray', '--data', '.'])"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], env=dict(os.environ))
    wait_for(path.with_name("python.started"))
    # The parent alone, as `kill -INT` does: it must reach the child.
    parent.send_signal(signal.SIGINT)
    assert parent.wait(20) == 130
    assert path.with_name("python.stopped").exists()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def test_help_needs_no_tensorflow(checkout: Path) -> None:
    done = CliRunner().invoke(train.command, ["--help"])
    assert done.exit_code == 0
    assert "chest_xray" in done.output
