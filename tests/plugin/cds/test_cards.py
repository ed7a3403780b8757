"""What a card says of each study that it names, and where its links lead."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from plugin.cds.cards import MOST_NAMED, CardMaker
from plugin.cds.chest_studies import ChestStudy
from tests.plugin.cds.conftest import BASE_URL, Send, cards_of
from tests.plugin.cds.ehr import CallingEhr, ai_report, prefetch, report, study


def chest(number: int = 1, state: Any = "unread", **changes: Any) -> ChestStudy:
    values = {
        "id": f"study-{number}", "uid": f"2.25.{number}", "started": f"2026-03-{number:02}",
        "modalities": ("CR",), "state": state,
    }  # fmt: skip
    return ChestStudy(**values | changes)


MAKER = CardMaker(f"{BASE_URL}/launch", f"{BASE_URL}/models/chest_xray/card")


def test_card_names_the_study_and_opens_it() -> None:
    (card,) = MAKER.cards([chest(9)])
    assert card["summary"] == "Chest X-ray of 9 Mar 2026: no report in the chart yet"
    assert "9 Mar 2026" not in card["detail"]
    assert card["indicator"] == "info"
    assert card["source"]["url"] == f"{BASE_URL}/models/chest_xray/card"
    assert uuid.UUID(card["uuid"])
    (link,) = card["links"]
    assert link == {
        "label": "Open the chest X-ray of 9 Mar 2026 in Wetread",
        "url": f"{BASE_URL}/launch",
        "type": "smart",
        "appContext": '{"study": "study-9", "uid": "2.25.9"}',
    }


def test_several_studies_are_counted_and_each_has_a_line_and_a_link() -> None:
    (card,) = MAKER.cards([chest(3), chest(2, "ai_only"), chest(1, "ai_failed")])
    assert card["summary"] == (
        "3 chest studies without a clinician's report, 1 of them with an unverified AI reading"
    )
    assert card["detail"].splitlines()[:3] == [
        "- **Chest X-ray of 3 Mar 2026**: no report in the chart yet",
        "- **Chest X-ray of 2 Mar 2026**: only an unverified AI reading, signed by nobody",
        "- **Chest X-ray of 1 Mar 2026**: no report but the AI's, which could not read it",
    ]
    assert [json.loads(link["appContext"])["study"] for link in card["links"]] == [
        "study-3", "study-2", "study-1",
    ]  # fmt: skip


def test_long_list_is_cut_and_says_so() -> None:
    (card,) = MAKER.cards([chest(number) for number in range(20, 0, -1)])
    assert card["summary"].startswith("20 chest studies")
    assert len(card["links"]) == MOST_NAMED
    assert f"and {20 - MOST_NAMED} more" in card["detail"]


def test_studies_of_one_day_are_told_apart_by_the_hour() -> None:
    day = "2026-03-09"
    times = (f"{day}T10:30:00+01:00", f"{day}T08:15:00+01:00", "2026-03-08T08:15:00+01:00")
    (card,) = MAKER.cards([chest(n, started=time) for n, time in enumerate(times, 1)])
    assert [link["label"] for link in card["links"]] == [
        "Open the chest X-ray of 9 Mar 2026, 10:30 (UTC+01:00) in Wetread",
        "Open the chest X-ray of 9 Mar 2026, 08:15 (UTC+01:00) in Wetread",
        "Open the chest X-ray of 8 Mar 2026 in Wetread",
    ]


def test_nothing_to_say_is_no_card() -> None:
    assert MAKER.cards([]) == []


def test_card_says_that_it_is_no_diagnosis_and_gives_no_probability() -> None:
    for state in ("unread", "ai_only", "ai_failed"):
        (card,) = MAKER.cards([chest(1, state)])
        assert "not a diagnosis" in card["detail"]
        assert "preliminary and unverified" in card["detail"]
        assert not re.search(r"%|probab|positive|negative|covid", str(card), re.IGNORECASE)


@pytest.mark.parametrize(
    ("started", "words"),
    [
        (None, "Chest X-ray without a date"),
        ("2026", "Chest X-ray of 2026"),
        ("2026-03", "Chest X-ray of Mar 2026"),
        ("2026-03-09T23:30:00-08:00", "Chest X-ray of 9 Mar 2026"),
        ("[x](javascript:1)", "Chest X-ray without a date"),
        ("2026-13-45", "Chest X-ray of 2026-13-45"),
    ],
)
def test_date_is_written_in_words_and_nothing_else(started: str | None, words: str) -> None:
    (card,) = MAKER.cards([chest(started=started)])
    assert card["summary"].startswith(f"{words}:")


def test_words_of_the_record_are_not_repeated(send: Send, ehr: CallingEhr) -> None:
    hostile = "**chest** <img src=x onerror=alert(1)> [x](javascript:alert(1))"
    data = prefetch([study(description=hostile, procedureCode=[{"text": hostile}])])
    (card,) = cards_of(send(ehr.call(prefetch=data)))
    for trace in ("javascript", "<img", "onerror"):
        assert trace not in json.dumps(card)


def test_newest_study_comes_first_and_all_states_meet_on_one_card(
    send: Send, ehr: CallingEhr
) -> None:
    data = prefetch(
        [study(1), study(3), study(2), study(4, modality="CT")], [ai_report(1), report(2)]
    )
    (card,) = cards_of(send(ehr.call(prefetch=data)))
    assert [json.loads(link["appContext"]) for link in card["links"]] == [
        {"study": "study-3", "uid": "2.25.3"},
        {"study": "study-1", "uid": "2.25.1"},
    ]
    assert card["links"][0]["url"] == f"{BASE_URL}/launch"
    assert len(card["summary"]) < 140
