"""The card in the chart: what it says, and the links that open each study. Pure.

No words of the record are repeated: a description could be Markdown, and then the EHR's page would
show what somebody else wrote. No probability either: on a card it would look like a verdict.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plugin.cds.chest_studies import ChestStudy, State
from plugin.reporting.wording import FHIR_TIME, date_in_words

LONGEST_SUMMARY = 139
# A longer list is a worklist, and belongs on the page.
MOST_NAMED = 5
KINDS = {"CR": "Chest X-ray", "DX": "Chest X-ray", "CT": "Chest CT"}
STATES: dict[State, str] = {
    "unread": "no report in the chart yet",
    "ai_only": "only an unverified AI reading, signed by nobody",
    "ai_failed": "no report but the AI's, which could not read it",
}
FOOTER = (
    "Taken from the record alone: for this card no image was opened and no model was run. "
    "Readings by Wetread are preliminary and unverified, for research and demonstration: "
    "not a diagnosis."
)

Named = tuple[str, ChestStudy]


@dataclass(frozen=True)
class CardMaker:
    """Makes cards with this installation's addresses.

    Attributes
    ----------
    launch_url : str
        Where the EHR launches Wetread.
    about_url : str or None
        Where it says what reads the images.
    """

    launch_url: str
    about_url: str | None = None

    def cards(self, studies: Sequence[ChestStudy]) -> list[dict[str, Any]]:
        """Give one card about all studies; none where there is nothing to say.

        Parameters
        ----------
        studies : sequence of ChestStudy
            Newest first.

        References
        ----------
        CDS Hooks 2.0, "Card Attributes", "Link"
        """
        if not studies:
            return []
        named = tuple(zip(_names(studies[:MOST_NAMED]), studies, strict=False))
        source = {"label": "Wetread: AI reading, for research and demonstration"}
        return [
            {
                "uuid": str(uuid.uuid4()),
                "summary": _summary(named[0], studies),
                "detail": _detail(named, len(studies) - len(named)),
                # Never more: whether it is urgent only the images can tell.
                "indicator": "info",
                "source": source | ({"url": self.about_url} if self.about_url else {}),
                "links": [self._link(name, study) for name, study in named],
            }
        ]

    def _link(self, name: str, study: ChestStudy) -> dict[str, str]:
        return {
            "label": f"Open the {name[0].lower()}{name[1:]} in Wetread",
            "url": self.launch_url,
            "type": "smart",
            "appContext": json.dumps({"study": study.id, "uid": study.uid}),
        }


def _summary(first: Named, studies: Sequence[ChestStudy]) -> str:
    if len(studies) == 1:
        text = f"{first[0]}: {STATES[first[1].state]}"
    else:
        read = sum(study.state == "ai_only" for study in studies)
        text = f"{len(studies)} chest studies without a clinician's report"
        if read:
            text += f", {read} of them with an unverified AI reading"
    return text[:LONGEST_SUMMARY]


def _detail(named: Sequence[Named], further: int) -> str:
    if len(named) == 1:
        return FOOTER  # the summary has said the rest
    lines = [f"- **{name}**: {STATES[study.state]}" for name, study in named]
    if further:
        lines.append(f"- and {further} more")
    return "\n".join((*lines, "", FOOTER))


def _names(studies: Sequence[ChestStudy]) -> list[str]:
    """Name each study by kind and day; those of one day by the hour too."""
    days = [_name(study, len("2026-03-09")) for study in studies]
    return [
        day if days.count(day) == 1 else _name(study, None)
        for day, study in zip(days, studies, strict=True)
    ]


def _name(study: ChestStudy, length: int | None) -> str:
    kind = next((KINDS[code] for code in study.modalities if code in KINDS), "Chest study")
    if not FHIR_TIME.fullmatch(study.started or ""):
        return f"{kind} without a date"
    return f"{kind} of {date_in_words((study.started or '')[:length])}"
