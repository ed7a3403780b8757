"""What the plugin's API answers, one builder per resource: the page's side of the contract."""

from __future__ import annotations

from typing import Any

from tests.browser import phantom
from tests.browser.results import READ_AT, result

Json = dict[str, Any]

STEPS = (
    ("find_study", "Finding the study"),
    ("fetch_images", "Fetching the images"),
    ("check_identity", "Checking whose images they are"),
    ("read_images", "Reading the images"),
    ("write_report", "Writing the report"),
)


def launch(**changes: Any) -> Json:
    return {
        "ehr": {"id": "sandbox", "name": "Demo Hospital"},
        "patient": {
            "id": "clark-dan",
            "name": "CLARK, Dan",
            "birth_date": "1930-10-19",
            "sex": "male",
            "identifiers": [
                {"system": "https://hospital.example/mrn", "value": "H-1001", "label": "MRN"},
                {"system": "https://health.example/nhi", "value": "930 101 9277", "label": "NHI"},
            ],
        },
        "user": {"name": "Dr Ada Reader"},
        "need_patient_banner": False,
        "study": None,
        "study_uid": None,
        "study_unclear": None,
        "intent": None,
        "style": None,
        "missing_scopes": [],
        "writes": True,
        "limits": [],
    } | changes


def study(**changes: Any) -> Json:
    return {
        "id": "study-1",
        "uid": "1.2.3",
        "title": "Chest X-ray",
        "started": "2020-03-14T09:12:00",
        "modalities": ["DX"],
        "body_part": "Chest",
        "accession": "ACC-2207",
        "series": 1,
        "instances": 1,
        "readable": True,
        "why_not": None,
        "reading": None,
        "reports": [],
    } | changes


def report_of_study(**changes: Any) -> Json:
    return {
        "reference": "DiagnosticReport/r1",
        "status": "final",
        "conclusion": "No focal consolidation. Heart size normal.",
        "issued": "2020-03-14T11:40:00Z",
        "ours": False,
    } | changes


def image(number: int = 1, **changes: Any) -> Json:
    path = f"/api/openings/o1/images/{number}"
    return {
        "number": number,
        "view": "PA",
        "view_label": "PA (from behind)",
        "acquired": "2020-03-14T09:14:32",
        "age": 89,
        "rows": phantom.ROWS,
        "columns": phantom.COLUMNS,
        "frames": 1,
        "jpeg": f"{path}.jpg",
        "values": {
            "url": f"{path}.values",
            "rows": phantom.ROWS,
            "columns": phantom.COLUMNS,
            "window_centre": phantom.CENTRE,
            "window_width": phantom.WIDTH,
            "inverted": False,
        },
        "identity": "match",
        "sop_instance_uid": f"1.2.3.{number}",
        "left_edge": "R",
    } | changes


def opening(state: str = "ready", **changes: Any) -> Json:
    return {
        "id": "o1",
        "state": state,
        "step": {"name": "fetch_images", "label": "Fetching the images"},
        "problem": None,
        "study": study(),
        "images": [image()] if state == "ready" else [],
    } | changes


def steps(running: int, ending: str = "running") -> list[Json]:
    def one(index: int) -> str:
        if index == running:
            return ending
        return "done" if index < running else "waiting"

    return [
        {
            "name": name,
            "label": label,
            "state": one(i),
            "ms": 84.0 * (i + 1) if i < running else None,
        }
        for i, (name, label) in enumerate(STEPS)
    ]


def report(**changes: Any) -> Json:
    return {
        "reference": "DiagnosticReport/w-7f31",
        "observation": "Observation/w-7f32",
        "status": "preliminary",
        "status_now": "preliminary",
        "saved": True,
        "unknown": False,
        "sentence": "A preliminary report was written; you find it under Reports in the chart.",
        "pdf": "/api/readings/g1/report.pdf",
    } | changes


def reading(state: str = "done", **changes: Any) -> Json:
    over = {"queued": (-1, "waiting"), "running": (2, "running"), "failed": (1, "failed")}
    running, ending = over.get(state, (5, "done"))
    return {
        "id": "g1",
        "state": state,
        "steps": steps(running, ending),
        "problem": None,
        "read_at": READ_AT,
        "result": result() if state == "done" else None,
        "report": report() if state == "done" else None,
        "timings_ms": {},
    } | changes


def problem(code: str, title: str, text: str, next_step: str) -> Json:
    return {"problem": {"code": code, "title": title, "text": text, "next_step": next_step}}
