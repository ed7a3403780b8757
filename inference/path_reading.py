"""Files and folders to answers, one per file, whatever the files are."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inference.errors import InferenceError, NoPixels, NotAnImage
from inference.prediction import Aside, Extent, Prediction, Reason

if TYPE_CHECKING:
    from inference.images import DicomFacts
    from inference.model import Model

_IMAGE_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima", ".png", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class Answer:
    """What is said about one path; the fields of ``wetread predict --json``."""

    path: str
    status: Literal["ok", "cannot_read", "error"]
    model: str | None = None
    probability: float | None = None
    positive: bool | None = None
    classes: dict[str, float] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    cautions: tuple[Reason, ...] = ()
    seconds: float = 0.0
    likelihood_ratio: float | None = None
    interval: tuple[float, float] | None = None
    outside_share: float | None = None
    extent: Extent | None = None
    aside: Aside | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values in the order of the contract."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """The files to read, in order, and how many entries of folders were passed over.

    Attributes
    ----------
    passed_over : int
        Files that are no images by name and first bytes.
    unreachable : int
        Broken links, closed folders, pipes and devices; links to folders, which are not followed.
    """

    files: tuple[Path, ...]
    passed_over: int
    unreachable: int


class Shelf:
    """The models that answers come from, each opened once and when it is first needed.

    Parameters
    ----------
    name
        Read everything with this model; None chooses by each image's facts.
    search
        Further folders with model folders.
    """

    def __init__(self, name: str | None = None, search: Sequence[Path] = ()) -> None:
        self._name = name
        self._search = tuple(search)
        self._opened: dict[str, Model | InferenceError] = {}

    def choose(self, facts: DicomFacts | None) -> str | None:
        """Name of the model for an image with these facts, or None if there is none."""
        from inference.registry import choose_model

        return self._name or choose_model([facts], self._search)

    def open(self, name: str) -> Model:
        """Open a model, or raise again what went wrong the first time."""
        from inference.registry import load_model

        if name not in self._opened:
            try:
                self._opened[name] = load_model(name, search=self._search)
            except InferenceError as error:
                self._opened[name] = error
        opened = self._opened[name]
        if isinstance(opened, InferenceError):
            raise opened
        return opened

    def reasons_against(self, name: str, facts: DicomFacts | None) -> tuple[Reason, ...]:
        """Why the header alone rules the image out, before the model is opened."""
        from inference.gate import check_facts
        from inference.registry import model_facts

        return check_facts(model_facts(name, self._search), facts).reasons

    def may_answer_aside(self, name: str, facts: DicomFacts | None) -> bool:
        """Tell whether the model looks at the image although it has no number for it."""
        from inference.gate import fit_for_aside
        from inference.registry import model_facts

        return bool(fit_for_aside(model_facts(name, self._search), [facts]))


def find_files(paths: Iterable[Path]) -> Found:
    """Walk through folders; a path that is named is always taken, whatever it is.

    In folders, hidden files and files that are no images by name are passed over: image folders
    also hold tables and notes. A name without suffix counts, as DICOM files often have none.
    """
    files: list[Path] = []
    passed_over = unreachable = 0
    for path in paths:
        if not _is(stat.S_ISDIR, path):
            files.append(path)
            continue
        entries = sorted(_walk(path))
        inside = [one for one in entries if _is(stat.S_ISREG, one)]
        wanted = [one for one in inside if _may_be_image(one)]
        passed_over += len(inside) - len(wanted)
        unreachable += len(entries) - len(inside)
        files += wanted or [path]
    return Found(tuple(dict.fromkeys(files)), passed_over, unreachable)


def _walk(folder: Path) -> Iterator[Path]:
    """List what lies in a folder and below; a folder is listed only if it cannot be entered."""
    closed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*names, *links):
            if not name.startswith("."):
                yield Path(parent, name)
    yield from (Path(error.filename) for error in closed if Path(error.filename) != folder)


def _is(kind: Callable[[int], bool], path: Path) -> bool:
    """Tell whether a path, or what its link leads to, is of this kind; False if nobody can tell."""
    try:
        return kind(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _may_be_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    # "1.2.840.113" ends in a number, not in a suffix.
    return suffix in _IMAGE_SUFFIXES or not suffix or suffix[1:].isdigit() or _has_magic(path)


def _has_magic(path: Path) -> bool:
    """Tell DICOM, PNG and JPEG by their first bytes, for files with unusual suffixes."""
    from inference.file_bytes import is_picture

    try:
        with path.open("rb") as stream:
            start = stream.read(132)
    except OSError:
        return False
    return is_picture(start) or start[128:] == b"DICM"


def read_path(path: Path, shelf: Shelf) -> Answer:
    """Answer for one file; never raises, so that one bad file does not stop the others."""
    start = time.perf_counter()
    answer = Answer(os.fsencode(path).decode("utf-8", "replace"), "error")
    try:
        answer = _answered(path, shelf, answer)
    except InferenceError as error:
        answer = replace(answer, reasons=(Reason(error.code, error.sentence),))
    except MemoryError:
        answer = _failed(answer, "out_of_memory", "The image needs more memory than there is.")
    except Exception as error:
        # The last resort against a file nobody thought of: its type is safe to show, its text not.
        name = type(error).__name__
        answer = _failed(answer, "unexpected_error", f"The file could not be read ({name}).")
    return replace(answer, seconds=round(time.perf_counter() - start, 3))


def _failed(answer: Answer, code: str, sentence: str) -> Answer:
    return replace(answer, reasons=(Reason(code, sentence),))


def _answered(path: Path, shelf: Shelf, answer: Answer) -> Answer:
    from inference import file_bytes
    from inference.images import read_facts, read_image

    if _is(stat.S_ISDIR, path):
        raise _empty(path)
    content = file_bytes.load(path)
    facts = None if file_bytes.is_picture(content) else read_facts(content)
    name = shelf.choose(facts)
    if name is None:
        return _cannot_read(answer, _no_model(facts))
    answer = replace(answer, model=name)
    reasons = shelf.reasons_against(name, facts)
    if reasons and not shelf.may_answer_aside(name, facts):
        return _cannot_read(answer, *reasons)
    try:
        image = read_image(content)
    except InferenceError as error:
        if reasons:  # The header has ruled it out already; only the aside is lost.
            return _cannot_read(answer, *reasons)
        if isinstance(error, NoPixels):
            return _cannot_read(answer, Reason(error.code, error.sentence))
        raise
    return _filled(answer, shelf.open(name).read([image]))


def _empty(folder: Path) -> InferenceError:
    """Name the reason why a folder gave no file to read."""
    from inference.file_bytes import refusal

    try:
        next(folder.iterdir(), None)
    except OSError as error:
        return refusal(error)
    return NotAnImage("A folder must hold DICOM, PNG or JPEG files; this one holds none.")


def _no_model(facts: DicomFacts | None) -> Reason:
    if facts is None:
        return Reason(
            "no_model",
            "No installed model reads plain pictures unasked; name one with --model.",
        )
    if facts.rows is None:
        return Reason(
            "no_image", "A DICOM file must hold an image to be read; this one holds none."
        )
    return Reason("no_model", f"No installed model reads {_modality(facts)} images.")


def _modality(facts: DicomFacts) -> str:
    modality = facts.modality or ""
    return modality if modality.isalnum() and len(modality) <= 16 else "such"


def _cannot_read(answer: Answer, *reasons: Reason) -> Answer:
    return replace(answer, status="cannot_read", reasons=reasons)


def _filled(answer: Answer, prediction: Prediction) -> Answer:
    interval, aside = prediction.interval, prediction.aside
    return replace(
        answer,
        status=prediction.status,
        model=prediction.model.name,
        probability=_rounded(prediction.probability),
        positive=prediction.positive,
        classes=_all_rounded(prediction.classes),
        reasons=prediction.reasons,
        cautions=prediction.cautions,
        likelihood_ratio=_rounded(prediction.likelihood_ratio),
        interval=None if interval is None else (round(interval[0], 6), round(interval[1], 6)),
        outside_share=_rounded(prediction.outside_share),
        extent=prediction.extent,
        aside=aside and replace(aside, classes=_all_rounded(aside.classes)),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _all_rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 6) for key, value in values.items()}
