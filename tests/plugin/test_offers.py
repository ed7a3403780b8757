"""What records were found not to offer."""

from __future__ import annotations

from plugin.offers import TRY_AGAIN_SECONDS, Offers


def test_what_was_refused_is_tried_again_after_a_while() -> None:
    now = [100.0]
    offers = Offers(clock=lambda: now[0])
    assert offers.has("https://a.example/fhir", "batch")
    offers.refused("https://a.example/fhir", "batch")
    assert not offers.has("https://a.example/fhir", "batch")
    assert offers.has("https://a.example/fhir", "include")
    assert offers.has("https://b.example/fhir", "batch")
    now[0] += TRY_AGAIN_SECONDS + 1
    assert offers.has("https://a.example/fhir", "batch")
