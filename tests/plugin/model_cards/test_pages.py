"""`/models` and `/models/<name>`: public, whole, never framed, and not a way to other files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from inference import registry
from inference.registry import model_facts, model_names, weights_sha256

PLOT = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>'


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder with a plot, in place of those of the distribution."""
    toys = Path(__file__).parents[2] / "inference" / "toy_models" / "toy_brightness"
    folder = tmp_path / "toy_brightness"
    shutil.copytree(toys, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "plots").mkdir()
    (folder / "plots" / "roc.svg").write_text(PLOT)
    card = folder / "MODEL_CARD.md"
    card.write_text("# Toy\n\n## Figures\n\n![A curve](plots/roc.svg)\n", "utf-8")
    monkeypatch.setattr(registry, "_BUILT_IN", tmp_path)
    monkeypatch.setattr(registry, "_module", _from_elsewhere)
    return folder


def _from_elsewhere(folder: Path, name: str) -> object:
    from importlib import import_module

    return import_module(f"{registry._outside_package(folder)}.{name}")


@pytest.mark.parametrize("name", model_names())
def test_every_model_has_a_page_with_title_version_hash_and_limits(
    client: FlaskClient, name: str
) -> None:
    facts, answer = model_facts(name), client.get(f"/models/{name}")
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    for text in (facts.title, f"version {facts.version}", weights_sha256(facts.networks)):
        assert text in answer.text
    assert answer.text.count("<h1>") == 1
    assert "Not a medical device" in answer.text


def test_the_list_names_every_model_and_leads_to_its_page(client: FlaskClient) -> None:
    text = client.get("/models").text
    for name in model_names():
        assert f'href="/models/{name}"' in text


@pytest.mark.parametrize("path", ["/models", "/models/chest_xray"])
def test_strangers_may_not_frame_a_page(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("name", ["nobody", "..", "%2e%2e", "chest_xray%2f..", "__pycache__"])
def test_an_unknown_model_is_a_page_in_plain_words(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/models/{name}", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "<h1>There is" in answer.text


@pytest.mark.parametrize("name", model_names())
def test_the_licence_of_the_weights_is_one_click_away(client: FlaskClient, name: str) -> None:
    assert f'href="/models/{name}/licence"' in client.get(f"/models/{name}").text
    answer = client.get(f"/models/{name}/licence")
    assert answer.status_code == 200
    assert answer.text.count("<h1>") == 1
    assert client.get("/models/nobody/licence").status_code == 404


def test_the_address_in_reports_of_earlier_versions_leads_to_the_page(client: FlaskClient) -> None:
    answer = client.get("/models/chest_xray/card")
    assert answer.status_code == 301
    assert answer.headers["Location"].endswith("/models/chest_xray")
    assert client.get("/models/nobody/card").status_code == 404


def test_a_plot_is_shown_in_the_page_and_sent_alone(client: FlaskClient, toy: Path) -> None:
    address = f"/models/{toy.name}/plots/roc.svg"
    assert f'<img src="{address}" alt="A curve"' in client.get(f"/models/{toy.name}").text
    with client.get(address) as answer:
        assert answer.mimetype == "image/svg+xml"
        assert answer.text == PLOT
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("file", ["no.svg", "..%2ffacts.py", "..%2f..%2ftrained.json", "facts.py"])
def test_only_plots_are_sent(client: FlaskClient, toy: Path, file: str) -> None:
    assert client.get(f"/models/{toy.name}/plots/{file}").status_code == 404


def test_a_model_without_a_card_says_so(client: FlaskClient, toy: Path) -> None:
    (toy / "MODEL_CARD.md").unlink()
    assert "has no card" in client.get(f"/models/{toy.name}").text


def test_a_broken_model_is_left_out_of_the_list(client: FlaskClient, toy: Path) -> None:
    broken = toy.with_name("broken")
    broken.mkdir()
    (broken / "__init__.py").touch()
    (broken / "facts.py").write_text("FACTS = None\n")
    text = client.get("/models").text
    assert toy.name in text
    assert "broken" not in text
