"""The PDF says everything that must be known, however long what others wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.reporting.report_pdf import FOOT, TITLE, build_pdf
from plugin.reporting.wording import date_in_words, put_into_words
from tests.plugin.reading.pdf_text import pages
from tests.plugin.reading.samples import FACTS, READ, context, study

LONG_LIMITS = tuple(f"Limit number {number} of this model." for number in range(120))


@pytest.mark.parametrize("part", ["patient_line", "title"])
def test_a_very_long_name_or_title_displaces_nothing(part: str) -> None:
    long = "very long " * 600
    changed = context(study=study(description=long)) if part == "title" else context(**{part: long})
    facts = replace(FACTS, reference_prevalence=0.43)
    words = put_into_words(READ, facts, unverifiable=False)
    (text,) = pages(build_pdf(READ, changed, words))
    assert words.headline.replace("(", "\\(").replace(")", "\\)") in text
    assert "43 in 100 patients" in text
    for limit in FACTS.limits:
        assert limit in text
    assert text.count("very long") < 60
    assert "..." in text


def test_what_does_not_fit_goes_on_on_a_page_that_carries_title_and_foot() -> None:
    facts = replace(FACTS, limits=LONG_LIMITS)
    words = put_into_words(READ, facts, unverifiable=False)
    found = pages(build_pdf(READ, context(model=facts), words))
    assert len(found) > 1
    for number, text in enumerate(found, 1):
        assert text.startswith(TITLE)
        assert FOOT in text
        assert f"Page {number}" in text
    assert all(limit in " ".join(found) for limit in LONG_LIMITS)


def test_times_are_written_to_be_read() -> None:
    words = put_into_words(READ, FACTS, unverifiable=False)
    (text,) = pages(build_pdf(READ, context(), words))
    plain = text.replace("\\", "")
    assert "Reported: 2 Jan 2026, 03:04 (UTC+00:00)" in plain
    assert "Born: 19 Oct 1930" in plain
    assert "Acquired: 1 Mar 2020" in plain
    assert "2026-01-02" not in plain


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("2020-03-01T10:00:00+13:00", "1 Mar 2020, 10:00 (UTC+13:00)"),
        ("2020-03-01T10:00:00.5Z", "1 Mar 2020, 10:00 (UTC+00:00)"),
        ("2020-03-01T10:00", "1 Mar 2020, 10:00"),
        ("2020-03-01", "1 Mar 2020"),
        ("2020-03", "Mar 2020"),
        ("2020", "2020"),
        ("2020-13-01", "2020-13-01"),
        ("about Easter", "about Easter"),
        (None, None),
    ],
)
def test_dates_are_put_into_words(written: str | None, words: str | None) -> None:
    assert date_in_words(written) == words
