/** Who this reading is about, who reads it and where: the banner at the top, always in view. */

import { ageInYears, dateInWords } from "./dates.js";
import { byId, element, factList, icon } from "./elements.js";

const SEXES = { male: "Male", female: "Female", other: "Other", unknown: "Sex unknown" };

function birth(patient) {
  const born = dateInWords(patient.birth_date);
  if (!born) return null;
  const age = ageInYears(patient.birth_date);
  return age === null ? born : `${born} (${age} years)`;
}

function identifierPairs(identifiers) {
  return identifiers.map(({ label, value }) => [label || "Identifier", value]);
}

/** Everything a clinician checks a patient by: for charts that show no banner of their own. */
function fullBanner(patient) {
  return [
    element("h1", { class: "patient-name" }, patient.name || "Name not given"),
    element("dl", { class: "facts" }, ...factList([
      ["Born", birth(patient) || "not given"],
      ["Sex", SEXES[patient.sex] || "not given"],
      ...identifierPairs(patient.identifiers),
    ])),
  ];
}

/** Two identifiers and the birth date on one line: the chart around the page shows the rest. */
function compactBanner(patient) {
  return [
    element("h1", { class: "patient-name" }, patient.name || "Name not given"),
    element("dl", { class: "facts" }, ...factList([
      ["Born", birth(patient) || "not given"],
      ...identifierPairs(patient.identifiers.slice(0, 2)),
    ])),
  ];
}

export function showPatient(launch) {
  const banner = byId("banner");
  const full = launch.need_patient_banner;
  banner.classList.toggle("full", full);
  byId("patient").replaceChildren(...(full ? fullBanner : compactBanner)(launch.patient));
  byId("session").hidden = false;
  const who = [launch.user?.name, launch.ehr.name].filter(Boolean).join(" · ");
  byId("session-facts").textContent = who;
}

/** What the chart did not allow, and that nothing is saved where it takes no reports. */
export function showWarnings(launch) {
  const warnings = byId("warnings");
  warnings.replaceChildren();
  const missing = launch.missing_scopes ?? [];
  if (missing.length) {
    warnings.append(element(
      "div", { class: "warning", role: "note", "data-code": "missing-scopes" }, icon("info"),
      element("div", {},
        element("p", {}, element("strong", {}, "The chart did not grant everything that Wetread asked for.")),
        element("ul", {}, ...missing.map(({ sentence }) => element("li", {}, sentence))),
      ),
    ));
  }
  if (launch.writes === false) {
    warnings.append(element(
      "div", { class: "warning", role: "note", "data-code": "no-writing" }, icon("info"),
      element("p", {}, "Results are shown here only: this chart takes no reports from Wetread."),
    ));
  }
}
