"""From a prediction and its context to FHIR R4 resources. Pure: no clock, no network, no database.

A DiagnosticReport (the document), an Observation (the number), a Provenance (who and what) and the
PDF that the report carries. `status` is the EHR's, `preliminary` by default although R4 calls that
"verified early results": see docs/decisions/0502-preliminary.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from inference.model_facts import ModelFacts
from inference.prediction import ModelIdentity, Prediction
from plugin.imaging.imaging_study import Study, accession_identifier
from plugin.reporting.fhir_codes import (
    ADDENDUM_OF,
    CATEGORY,
    CHEST_CT,
    CHEST_SINGLE_VIEW,
    CHEST_TWO_VIEWS,
    LOINC,
    RADIOLOGY,
    READING_KEY,
    STUDY_KEY,
    coding,
)
from plugin.reporting.image_read import ImageRead, words_with_image
from plugin.reporting.observation import build_observation, labels
from plugin.reporting.provenance import build_provenance
from plugin.reporting.report_pdf import build_pdf
from plugin.reporting.site_prevalence import Prevalence
from plugin.reporting.wording import Words, put_into_words

# DiagnosticReport.basedOn takes fewer types than ImagingStudy.basedOn.
ORDER_TYPES = ("CarePlan/", "ServiceRequest/")
X_RAY = ("CR", "DX")
ZONED_OR_DATE = re.compile(r"[^T]*|.*T.*(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """Everything besides the prediction that goes into a report.

    Attributes
    ----------
    key : str
        `reading_key` of this reading.
    patient : str
        Patient id of the launch.
    patient_line, birth_date : str
        For the head of the PDF only.
    views : int
        Different views among the X-ray images.
    acquired : str or None
        FHIR date or dateTime from the images, for a study without `started`.
    launched_by : str or None
        `fhirUser`, relative if the user is kept on the same server; None when none was named.
    launch_encounter : str or None
        Encounter id of the launch; it goes into the Provenance only.
    model_card : str
        Address of the model card.
    unverifiable : bool
        Identity rests on birth date and sex alone.
    previous : sequence of str
        References to earlier reports of this study by Wetread: over other images, by another
        model or at another prevalence.
    site : Prevalence or None
        The prevalence set for this EHR; None: the model's reference prevalence is presumed.
    """

    key: str
    patient: str
    patient_line: str
    birth_date: str | None
    study: Study
    views: int
    acquired: str | None
    issued: datetime
    status: str
    ai_security_label: bool
    launched_by: str | None
    launch_encounter: str | None
    model: ModelFacts
    model_card: str
    unverifiable: bool
    image: ImageRead | None = None
    previous: Sequence[str] = ()
    site: Prevalence | None = None

    @property
    def resource_id(self) -> str:
        """The id of report, observation and provenance on a server that takes ours.

        It begins with a letter: servers keep ids of digits only for themselves.
        """
        return own_id(self.key)

    @property
    def effective(self) -> str | None:
        """When the images were made: a date alone where the time zone is unknown.

        FHIR wants a zone with every time; servers that leave it out exist.
        """
        found = self.study.started or self.acquired
        return found if found is None or ZONED_OR_DATE.fullmatch(found) else found[:10]

    @property
    def encounter(self) -> dict[str, Any] | None:
        """The study's encounter; that of the launch may be another one."""
        found = self.study.resource.get("encounter")
        return {"reference": found["reference"]} if found and found.get("reference") else None


@dataclass(frozen=True)
class ReportResources:
    """What is written for one reading.

    Attributes
    ----------
    words : Words
        The conclusion, for the page as well.
    pdf : bytes
        The same that the report carries in `presentedForm`.
    """

    report: dict[str, Any]
    observation: dict[str, Any]
    provenance: dict[str, Any]
    words: Words
    pdf: bytes

    def refer_to(self, report: str, observation: str) -> ReportResources:
        """Let the resources refer to each other under the ids that a server gave them."""
        return replace(
            self,
            report=self.report | {"result": [{"reference": observation}]},
            provenance=self.provenance
            | {"target": [{"reference": report}, {"reference": observation}]},
        )


def reading_key(
    issuer: str,
    patient: str,
    study_uid: str,
    image_uids: Sequence[str],
    model: ModelIdentity,
    site: Prevalence | None = None,
) -> str:
    """Give the key that two readings share only if they are the same reading.

    Parameters
    ----------
    site : Prevalence or None
        As set for this EHR. Where it changes, the report says another probability: that is another
        reading, and the report of then stays as it was written.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    machine = [model.name, model.version, model.weights_sha256, model.prepare_version]
    parts: list[Any] = [issuer, patient, study_uid, sorted(image_uids), machine]
    # Without one the key is that of readings from before there were any.
    parts += [f"prevalence {site.share!r}"] if site else []
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def own_id(key: str) -> str:
    """Give the id of a reading's resources on a server that takes ours."""
    return f"wetread-{key[:40]}"


def build_report(prediction: Prediction, context: ReportContext) -> ReportResources:
    """Build everything that is written for one reading.

    A study that the model cannot read gets a report too: it says so and why, so that nobody waits
    for a number that will not come; its Observation has a `dataAbsentReason` and no value.
    """
    words = put_into_words(
        prediction, context.model, unverifiable=context.unverifiable, site=context.site
    )
    words = words_with_image(words, context.image)
    pdf = build_pdf(prediction, context, words)
    observation = build_observation(prediction, context)
    observation_reference = f"Observation/{context.resource_id}"
    report: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "id": context.resource_id,
        "meta": labels(context),
        "identifier": _identifiers(context),
        "status": context.status,
        "category": [
            {
                "coding": [
                    coding(CATEGORY, "RAD", "Radiology"),
                    coding(LOINC, *RADIOLOGY),
                ]
            }
        ],
        "code": _code(context),
        "subject": {"reference": f"Patient/{context.patient}"},
        "issued": context.issued.isoformat(timespec="milliseconds"),
        "result": [{"reference": observation_reference}],
        "imagingStudy": [{"reference": f"ImagingStudy/{context.study.id}"}],
        "conclusion": words.text,
        "presentedForm": [_attachment(pdf, context)],
    }
    report |= _copied(context)
    provenance = build_provenance(prediction, context, observation_reference)
    return ReportResources(report, observation, provenance, words, pdf)


def _identifiers(context: ReportContext) -> list[dict[str, Any]]:
    ours = [
        {"system": READING_KEY, "value": context.key},
        {"system": STUDY_KEY, "value": f"urn:oid:{context.study.uid}"},
    ]
    accession = accession_identifier(context.study.resource)
    return [*ours, accession] if accession else ours


def _code(context: ReportContext) -> dict[str, Any]:
    """Say what was examined; the text says who read it."""
    text = f"Unverified AI reading: {context.study.title}"
    found = _procedure(context)
    return {"coding": [coding(LOINC, *found)], "text": text} if found else {"text": text}


def _procedure(context: ReportContext) -> tuple[str, str] | None:
    kinds = [kind for kind in context.study.modalities if kind in context.model.modalities]
    if not kinds or "CHEST" not in context.model.body_parts:
        return None
    if kinds[0] == "CT":
        return CHEST_CT
    views = {1: CHEST_SINGLE_VIEW, 2: CHEST_TWO_VIEWS}
    return views.get(context.views) if kinds[0] in X_RAY else None


def _copied(context: ReportContext) -> dict[str, Any]:
    """What the report takes over from the study; absent where the study has none."""
    orders = [
        {"reference": entry["reference"]}
        for entry in context.study.resource.get("basedOn", ())
        if any(kind in str(entry.get("reference")) for kind in ORDER_TYPES)
    ]
    links = [
        {"url": ADDENDUM_OF, "valueReference": {"reference": reference}}
        for reference in context.previous
    ]
    found = {
        "basedOn": orders,
        "encounter": context.encounter,
        "effectiveDateTime": context.effective,
        "extension": links[:1],
    }
    return {name: value for name, value in found.items() if value}


def _attachment(pdf: bytes, context: ReportContext) -> dict[str, Any]:
    return {
        "contentType": "application/pdf",
        "language": "en",
        "data": base64.b64encode(pdf).decode(),
        "size": len(pdf),
        # FHIR R4, Attachment.hash: SHA-1, in base64. It guards against accidents, not attackers.
        "hash": base64.b64encode(hashlib.sha1(pdf, usedforsecurity=False).digest()).decode(),
        "title": "Unverified AI reading",
        "creation": context.issued.isoformat(timespec="seconds"),
    }
