"""The report as PDF, for charts that show documents only. Same input, same bytes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

from plugin.reporting.answer import answer_at
from plugin.reporting.detail_words import POINTS_NOTE, PointInWords, points_in_words
from plugin.reporting.percent import percent
from plugin.reporting.prevalence_words import share_in_words
from plugin.reporting.wording import Words, date_in_words

if TYPE_CHECKING:
    from inference.prediction import Prediction
    from plugin.reporting.report import ReportContext

LEFT_PT = 56
WIDTH_PT = A4[0] - 2 * LEFT_PT
TOP_PT = A4[1] - 64
# Below this line nothing is drawn: the page's foot.
BOTTOM_PT = 72
# Lines that a name or a title may take: what others wrote must not push the result off the page.
MOST_LINES = 2
TITLE = "Unverified AI reading: not a diagnosis"
FOOT = "Wetread: research and demonstration only, not a certified medical device."


def build_pdf(prediction: Prediction, context: ReportContext, words: Words) -> bytes:
    """Draw the pages; nearly always it is one.

    Text is drawn character by character, so markup in a name stays text. The built-in fonts know
    Western European letters; others are shown as "?" and the patient is told by number.
    """
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=A4, pageCompression=1, invariant=1)
    canvas.setTitle("Unverified AI reading")
    canvas.setAuthor("Wetread")
    pages = _Pages(canvas)
    for line in _head(context):
        pages.write(line, "Helvetica", 10, most_lines=MOST_LINES)
    pages.write("", "Helvetica", 10)
    pages.write(words.headline, "Helvetica-Bold", 12, after=4)
    for sentence in words.sentences:
        pages.write(sentence, "Helvetica", 10, after=2)
    pages.write("", "Helvetica", 10)
    for part in (_numbers(prediction, context), _points(prediction, context)):
        for line in part:
            pages.write(line, "Helvetica", 9)
        if part:
            pages.write("", "Helvetica", 6)
    for line in _machine(prediction, context):
        pages.write(line, "Helvetica", 9)
    for limit in context.model.limits:
        pages.write(f"- {limit}", "Helvetica", 9)
    pages.end()
    canvas.save()
    return buffer.getvalue()


class _Pages:
    """Writes paragraphs from the top down, and goes on on a new page above the foot."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas, self.number = canvas, 0
        self._begin()

    def write(
        self, text: str, font: str, size: int, *, after: int = 0, most_lines: int | None = None
    ) -> None:
        lines = simpleSplit(_drawable(text), font, size, WIDTH_PT) or [""]
        if most_lines is not None and len(lines) > most_lines:
            lines = [*lines[: most_lines - 1], f"{lines[most_lines - 1][:-3]}..."]
        for line in lines:
            if self.y < BOTTOM_PT:
                self.end()
                self._begin()
            self._draw(line, font, size)
        self.y -= after

    def end(self) -> None:
        """Close the page with its foot."""
        self.canvas.setFont("Helvetica-Oblique", 8)
        self.canvas.drawString(LEFT_PT, 48, FOOT)
        self.canvas.drawRightString(A4[0] - LEFT_PT, 48, f"Page {self.number}")
        self.canvas.showPage()

    def _begin(self) -> None:
        """Begin a page with what must stand on each."""
        self.y, self.number = TOP_PT, self.number + 1
        self._draw(TITLE, "Helvetica-Bold", 15)
        self.y -= 10

    def _draw(self, line: str, font: str, size: int) -> None:
        self.canvas.setFont(font, size)
        self.canvas.drawString(LEFT_PT, self.y, line)
        self.y -= size * 1.35


def _drawable(text: str) -> str:
    visible = "".join(c if c.isprintable() else " " for c in text)
    return visible.encode("cp1252", "replace").decode("cp1252")


def _head(context: ReportContext) -> list[str]:
    study = context.study
    reported = date_in_words(context.issued.isoformat())
    return [
        f"Patient: {context.patient_line}",
        f"Born: {date_in_words(context.birth_date) or 'unknown'}",
        f"Study: {study.title}",
        f"Acquired: {date_in_words(context.effective) or 'date unknown'}",
        f"Accession number: {study.accession or 'none'}",
        f"Reported: {reported}, status: {context.status}",
    ]


def _numbers(prediction: Prediction, context: ReportContext) -> list[str]:
    facts = context.model
    answer = answer_at(prediction, facts, context.site)
    if answer is None:
        return []
    lines = [
        f"{one.label}: {percent(answer.classes[one.key])}"
        for one in facts.classes
        if one.key in answer.classes
    ]
    if answer.reference is not None:
        target, share = facts.class_named(facts.target).label, share_in_words(answer.reference)
        lines.append(f"The model was calibrated where {share} patients have {target}.")
    if answer.interval is not None and facts.interval_method:
        lines.append(f"Interval: {facts.interval_method}")
    return lines


def _points(prediction: Prediction, context: ReportContext) -> list[str]:
    points = points_in_words(prediction, context.model)
    return [*(_point(one) for one in points), POINTS_NOTE] if points else []


def _point(point: PointInWords) -> str:
    rates = (("sensitivity", point.sensitivity), ("specificity", point.specificity))
    measured = ", ".join(f"{name} {rate}" for name, rate in rates if rate)
    parts = (point.side, point.caution, f"Measured: {measured}." if measured else None)
    return f"{point.label}: {' '.join(part for part in parts if part)}"


def _machine(prediction: Prediction, context: ReportContext) -> list[str]:
    identity = prediction.model
    return [
        f"Model: {identity.title} {identity.version}, weights {identity.weights_sha256[:12]}",
        f"Model card: {context.model_card}",
    ]
