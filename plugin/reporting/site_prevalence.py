"""How common the disease is where a reading is made, and who said so. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from inference.model_facts import ModelFacts
    from plugin.ehrs import Ehr

# SNOMED CT 840539006, "Disease caused by severe acute respiratory syndrome coronavirus 2".
COVID_19 = ("http://snomed.info/sct", "840539006")


@dataclass(frozen=True)
class Prevalence:
    """A share of patients with the disease, and where it comes from.

    Attributes
    ----------
    share : float
        Above 0 and below 1.
    set_by : str
        "ehr": set for one EHR; "installation": for all of them; "model": nobody set one, so it is
        the model's reference prevalence.
    ehr : str or None
        Name of the EHR that it was set for.
    """

    share: float
    set_by: Literal["ehr", "installation", "model"]
    ehr: str | None = None


def site_prevalence(facts: ModelFacts, ehr: Ehr, everywhere: float | None) -> Prevalence | None:
    """Give the prevalence that was set for readings of this EHR.

    None where none was set, where the model has no reference prevalence to come from, and where it
    looks for something else: a share of Covid-19 says nothing of another finding.

    Parameters
    ----------
    everywhere : float or None
        The setting `prevalence` of the installation.
    """
    coding = facts.class_named(facts.target).coding
    if facts.reference_prevalence is None or (coding.system, coding.code) != COVID_19:
        return None
    if ehr.prevalence is not None:
        return Prevalence(ehr.prevalence, "ehr", ehr.name)
    return None if everywhere is None else Prevalence(everywhere, "installation")


def presumed(facts: ModelFacts, site: Prevalence | None) -> Prevalence | None:
    """Give the prevalence that a probability is shown for: the site's, else the reference."""
    if site is not None or facts.reference_prevalence is None:
        return site
    return Prevalence(facts.reference_prevalence, "model")
