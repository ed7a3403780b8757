"""How a record is asked to take an entry only where nothing lies yet.

R4 has no such condition for an update, so two are sent that servers understand differently, and
what a server refuses is left out: after another look, since the condition would have done that.

========================  ==========================================================
`If-None-Match: *`        RFC 9110 13.1.2; some servers heed it, many ignore it (HAPI
                          does), some refuse it
`If-Match: W/"0"`         nothing there is version 0 to HAPI, which then refuses to
                          write over anything; a strict server says 412 to it
========================  ==========================================================

A place whose entry was deleted is empty too, but its version goes on counting: there the second
condition would always fail, and is not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from plugin.offers import Offer
from plugin.record import Record
from smart_launch.errors import FhirConflict, FhirError, FhirNotFound, FhirRejected
from smart_launch.fhir_batch import Answered

NO_VERSION = "0"
GONE = 410


@dataclass(frozen=True)
class OnlyNew:
    """The conditions that are sent with a new entry."""

    none_match: bool
    version_zero: bool

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What the record must offer for them, what is refused most often first."""
        sent: tuple[tuple[Offer, bool], ...] = (
            ("only_new", self.none_match),
            ("version_zero", self.version_zero),
        )
        return tuple(name for name, is_sent in sent if is_sent)

    def after(self, error: FhirError) -> OnlyNew | None:
        """Give the conditions for one more try; None if the refusal was not of the conditions.

        409 is no refusal of a condition but its purpose: something lies there.
        """
        if isinstance(error, FhirRejected) and (self.none_match or self.version_zero):
            return OnlyNew(none_match=False, version_zero=False)
        refuses_zero = isinstance(error, FhirNotFound) or (
            isinstance(error, FhirConflict) and error.code == "precondition_failed"
        )
        return replace(self, version_zero=False) if refuses_zero and self.version_zero else None


def conditions_for(record: Record, looked: Sequence[Answered]) -> OnlyNew:
    """Give the conditions that this record has not refused lately and that fit its places.

    Parameters
    ----------
    looked : sequence of Answered
        What was found where the new entries go.
    """
    deleted = any(isinstance(one, FhirNotFound) and one.status == GONE for one in looked)
    return OnlyNew(
        none_match=record.offers("only_new"),
        version_zero=record.offers("version_zero") and not deleted,
    )


def blame(record: Record, sent: OnlyNew, taken: OnlyNew) -> None:
    """Remember what the record refused; of two, the next report finds out the other one."""
    for offer in sent.offers:
        if offer not in taken.offers:
            record.note_refused(offer)
            return
