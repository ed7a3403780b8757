"""`wetread predict`: files and folders to one answer each, in JSON lines or a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from inference.path_reading import Answer, Found, Shelf
    from inference.prediction import Aside, Reason

_SAFETY = (
    "Unverified AI reading, for research and demonstration only. A low score excludes nothing."
)


@click.command(name="predict")
# readable=False: click would stop everything for one closed file, which is one answer here.
@click.argument("paths", nargs=-1, required=True, type=click.Path(readable=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--model", "name", metavar="NAME", help="Read everything with this model.")
@click.option(
    "--models-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A further folder with model folders.",
)
def command(
    paths: tuple[Path, ...], as_json: bool, name: str | None, models_dir: Path | None
) -> None:
    """Read images (DICOM, PNG, JPEG) from files and folders.

    The exit code is 1 if any file ended in an error; an image that the model must not read
    ("cannot_read") is an answer, not an error.
    """
    from inference.path_reading import Shelf, find_files

    search = () if models_dir is None else (models_dir,)
    _check_name(name, search)
    found = find_files(paths)
    _tell_passed_over(found)
    answers = []
    for answer in _with_progress(found.files, Shelf(name, search)):
        answers.append(answer)
        if as_json:
            click.echo(json.dumps(answer.as_json(), allow_nan=False))
    if not as_json:
        _print_table(answers)
    if any(answer.status == "error" for answer in answers):
        raise click.exceptions.Exit(1)


def _tell_passed_over(found: Found) -> None:
    if found.passed_over:
        click.echo(f"Passed over {found.passed_over} files that are no images.", err=True)
    if found.unreachable:
        click.echo(
            f"Passed over {found.unreachable} entries that are no readable files "
            "(broken links, links to folders, closed folders, pipes, devices).",
            err=True,
        )


def _check_name(name: str | None, search: tuple[Path, ...]) -> None:
    from inference.registry import model_names

    known = model_names(search)
    if name is not None and name not in known:
        raise click.BadParameter(
            f"must be one of: {', '.join(known) or '(none is installed)'}.", param_hint="--model"
        )


def _with_progress(files: tuple[Path, ...], shelf: Shelf) -> Iterator[Answer]:
    """Read one file after another; the bar goes to standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    from inference.path_reading import read_path

    console = Console(stderr=True)
    quiet = not console.is_terminal or len(files) < 2
    bar = track(files, "Reading", console=console, disable=quiet, transient=True)
    for path in bar:
        yield read_path(path, shelf)


def _print_table(answers: list[Answer]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("File", "Answer", "Probability", "Notes")
    notes = _numbered(answers)
    for answer in answers:
        numbers = ", ".join(str(notes[note.sentence]) for note in _notes(answer))
        # Text, not str: a path or a header may hold what looks like markup.
        cells = (answer.path, _words(answer), _percent(answer), numbers)
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    console = Console()
    console.print(table)
    for sentence, number in notes.items():
        console.print(Text(f"{number}: {sentence}"))
    console.print(_summary(answers), _SAFETY, sep="\n")


def _notes(answer: Answer) -> tuple[Reason, ...]:
    beside = answer.aside.cautions if answer.aside else ()
    return (*answer.reasons, *answer.cautions, *beside)


def _numbered(answers: list[Answer]) -> dict[str, int]:
    """Number each different sentence: a hundred files mostly share a few."""
    sentences = dict.fromkeys(note.sentence for answer in answers for note in _notes(answer))
    return {sentence: number for number, sentence in enumerate(sentences, 1)}


def _summary(answers: list[Answer]) -> str:
    counted = Counter(answer.status for answer in answers)
    return (
        f"{counted['ok']} read, {counted['cannot_read']} cannot be read, "
        f"{counted['error']} with an error."
    )


def _words(answer: Answer) -> str:
    if answer.status == "ok":
        said = "at or above the threshold" if answer.positive else "below the threshold"
        return f"{said}; extent {answer.extent.level_label}" if answer.extent else said
    said = "cannot read" if answer.status == "cannot_read" else "error"
    return f"{said}; {_beside(answer.aside)}" if answer.aside else said


def _beside(aside: Aside) -> str:
    chances = ", ".join(f"{label} {chance:.0%}" for label, chance in aside.classes.items())
    return f"{aside.title}: {chances}"


def _percent(answer: Answer) -> str:
    return "" if answer.probability is None else f"{answer.probability:.1%}"
