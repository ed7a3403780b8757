"""`wetread models`: the model folders, their classes, thresholds and checksums."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from inference.model_facts import ModelFacts


@click.command(name="models")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--verify", is_flag=True, help="Open each model and check its golden values.")
@click.option(
    "--models-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A further folder with model folders.",
)
def command(as_json: bool, verify: bool, models_dir: Path | None) -> None:
    """List the installed models. The exit code is 1 if one of them is refused."""
    from inference.registry import model_names

    search = () if models_dir is None else (models_dir,)
    rows = [_row(name, search, verify=verify) for name in model_names(search)]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    else:
        _print_table(rows)
    if any(row["problem"] for row in rows):
        raise click.exceptions.Exit(1)


def _row(name: str, search: tuple[Path, ...], *, verify: bool) -> dict[str, Any]:
    """Describe one model; what is wrong with it goes into `problem`."""
    from inference.errors import InferenceError
    from inference.registry import load_model, model_facts

    row: dict[str, Any] = {"name": name}
    try:
        row |= _described(model_facts(name, search))
        if verify:
            row["runtime"] = load_model(name, search=search).identity.runtime
    except InferenceError as error:
        return row | {"problem": error.sentence}
    return row | {"problem": None}


def _described(facts: ModelFacts) -> dict[str, Any]:
    from inference.registry import weights_sha256

    return {
        "title": facts.title,
        "version": facts.version,
        "modalities": list(facts.modalities),
        "body_parts": list(facts.body_parts),
        "views": list(facts.views),
        "classes": {one.key: one.label for one in facts.classes},
        "target": facts.target,
        "threshold": facts.operating_point.threshold,
        "operating_points": [asdict(one) for one in facts.operating_points],
        "reference_prevalence": facts.reference_prevalence,
        "minimum_age_years": facts.minimum_age_years,
        "weights_sha256": weights_sha256(facts.networks),
        "prepare_version": facts.prepare_version,
        "licence": facts.licence,
        "weights_licence": facts.weights_licence,
        "limits": list(facts.limits),
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not rows:
        console.print("No model is installed.")
        return
    table = Table("Name", "What it reads", "Classes", "Thresholds", "Weights", "State")
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in _cells(row)))
    console.print(table)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if "title" not in row:
        return (row["name"], "", "", "", "", row["problem"])
    return (
        f"{row['name']} {row['version']}",
        f"{row['title']} ({', '.join(row['modalities'])})",
        ", ".join(row["classes"].values()),
        "\n".join(_point(row["target"], point) for point in row["operating_points"]),
        row["weights_sha256"][:12],
        row["problem"] or row.get("runtime", "installed"),
    )


def _point(target: str, point: dict[str, Any]) -> str:
    """Say what lies at one operating point, such as "covid, rule out: from 0.12, sens. 0.95"."""
    measured = "".join(
        f", {short} {point[key]['value']:.2f}"
        for key, short in (("sensitivity", "sens."), ("specificity", "spec."))
        if point[key] is not None
    )
    return f"{target}, {point['name'].replace('_', ' ')}: from {point['threshold']:g}{measured}"
