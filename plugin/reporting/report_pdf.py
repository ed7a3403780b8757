"""The report as one page of PDF, for charts that show documents only. Same input, same bytes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

from plugin.reporting.wording import Words, percent

if TYPE_CHECKING:
    from inference.prediction import Prediction
    from plugin.reporting.report import ReportContext

LEFT_PT = 56
WIDTH_PT = A4[0] - 2 * LEFT_PT
TOP_PT = A4[1] - 64
# Below this line nothing is drawn: the page's foot.
BOTTOM_PT = 72
FOOT = "Wetread: research and demonstration only, not a certified medical device."


def build_pdf(prediction: Prediction, context: ReportContext, words: Words) -> bytes:
    """Draw the page.

    Text is drawn character by character, so markup in a name stays text. The built-in fonts know
    Western European letters; others are shown as "?" and the patient is told by number.
    """
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=A4, pageCompression=1, invariant=1)
    canvas.setTitle("Unverified AI reading")
    canvas.setAuthor("Wetread")
    page = _Page(canvas)
    page.write("Unverified AI reading: not a diagnosis", "Helvetica-Bold", 15, after=10)
    for line in _head(context):
        page.write(line, "Helvetica", 10)
    page.write("", "Helvetica", 10)
    page.write(words.headline, "Helvetica-Bold", 12, after=4)
    for sentence in words.sentences:
        page.write(sentence, "Helvetica", 10, after=2)
    page.write("", "Helvetica", 10)
    for line in (*_numbers(prediction, context), *_machine(prediction, context)):
        page.write(line, "Helvetica", 9)
    for limit in context.model.limits:
        page.write(f"- {limit}", "Helvetica", 9)
    canvas.setFont("Helvetica-Oblique", 8)
    canvas.drawString(LEFT_PT, 48, FOOT)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


class _Page:
    """Writes paragraphs from the top down and stops above the foot."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas, self.y = canvas, TOP_PT

    def write(self, text: str, font: str, size: int, *, after: int = 0) -> None:
        self.canvas.setFont(font, size)
        for line in simpleSplit(_drawable(text), font, size, WIDTH_PT) or [""]:
            if self.y < BOTTOM_PT:
                return
            self.canvas.drawString(LEFT_PT, self.y, line)
            self.y -= size * 1.35
        self.y -= after


def _drawable(text: str) -> str:
    visible = "".join(c if c.isprintable() else " " for c in text)
    return visible.encode("cp1252", "replace").decode("cp1252")


def _head(context: ReportContext) -> list[str]:
    study = context.study
    return [
        f"Patient: {context.patient_line}",
        f"Born: {context.birth_date or 'unknown'}",
        f"Study: {study.title}, {context.effective or 'date unknown'}",
        f"Accession number: {study.accession or 'none'}",
        f"Reported: {context.issued.isoformat(timespec='minutes')}, status: {context.status}",
    ]


def _numbers(prediction: Prediction, context: ReportContext) -> list[str]:
    known = [one for one in context.model.classes if one.key in prediction.classes]
    return [f"{one.label}: {percent(prediction.classes[one.key])}" for one in known]


def _machine(prediction: Prediction, context: ReportContext) -> list[str]:
    identity = prediction.model
    return [
        f"Model: {identity.title} {identity.version}, weights {identity.weights_sha256[:12]}",
        f"Model card: {context.model_card}",
    ]
