/** The patient's imaging studies: which can be read, why others cannot, and what reports they have. */

import { dateInWords } from "./dates.js";
import { byId, element, icon } from "./elements.js";

const READING_STATES = {
  queued: "AI reading waiting",
  running: "AI reading in progress",
  done: "AI reading done",
  failed: "AI reading failed",
  awaiting_launch: "AI reading waits to be saved",
};

function counted(number, one, many) {
  return number === null || number === undefined ? null : `${number} ${number === 1 ? one : many}`;
}

function reportLine(report) {
  const what = [report.status, report.ours ? "Wetread" : null, dateInWords(report.issued)].filter(Boolean).join(" · ");
  return element(
    "li", {}, icon("document"),
    element("span", {},
      element("span", { class: "report-kind" }, `Report: ${what}`),
      report.conclusion ? element("span", { class: "conclusion" }, report.conclusion) : null,
    ),
  );
}

function readingInWords({ state, read_at: readAt }) {
  return [READING_STATES[state] ?? state, dateInWords(readAt)].filter(Boolean).join(" · ");
}

function studyText(study) {
  const size = [counted(study.series, "series", "series"), counted(study.instances, "image", "images")];
  const facts = [dateInWords(study.started) || "Date not given", (study.modalities ?? []).join("/"), ...size];
  return element(
    "span", { class: "study-text" },
    element("span", { class: "study-title" }, study.title || "Imaging study"),
    element("span", { class: "study-when" }, facts.filter(Boolean).join(" · ")),
    study.accession ? element("span", { class: "study-when" }, `Accession ${study.accession}`) : null,
    study.readable ? null : element("span", { class: "why-not" }, icon("info"), study.why_not || "This study cannot be read."),
    study.readable && study.reading
      ? element("span", { class: "chip" }, readingInWords(study.reading)) : null,
  );
}

function studyItem(study, chosen, choose) {
  const reports = study.reports ?? [];
  const choice = element(
    "button",
    { type: "button", class: "study", "aria-pressed": String(study.id === chosen), "data-study": study.id, disabled: !study.readable },
    studyText(study),
  );
  choice.addEventListener("click", () => choose(study));
  return element(
    "li", { class: study.readable ? null : "unreadable" }, choice,
    reports.length ? element("ul", { class: "reports", "aria-label": "Reports of this study" }, ...reports.map(reportLine)) : null,
  );
}

/**
 * @param {(study: object) => void} choose Called with a readable study.
 * @param {string|null} reportsProblem Why reports may be missing from the list.
 */
export function showStudies(studies, chosen, choose, reportsProblem) {
  const place = byId("studies");
  byId("studies-heading").textContent = studies.length > 1 ? `Imaging studies (${studies.length})` : "Imaging studies";
  const focused = document.activeElement?.dataset?.study;
  if (!studies.length) {
    place.replaceChildren(element(
      "div", { class: "empty" }, icon("image"),
      element("p", {}, element("strong", {}, "No imaging in this chart")),
      element("p", {}, "The record holds no imaging study for this patient. If images were taken just now, wait until they are archived, then load this page again."),
    ));
    return;
  }
  place.replaceChildren(element("ul", { class: "study-list" }, ...studies.map((study) => studyItem(study, chosen, choose))));
  if (reportsProblem) place.prepend(element("p", { class: "why-not", "data-code": "reports-missing" }, icon("info"), reportsProblem));
  if (focused) place.querySelector(`[data-study="${CSS.escape(focused)}"]`)?.focus();
}

/** Make room for image and result once a study is chosen: in small frames, and where the list is long. */
export function foldStudies(studies) {
  const small = matchMedia("(max-width: 64rem), (max-height: 46rem)").matches;
  byId("studies-box").open = !small && studies.length <= 3;
}

/** The study that the launch asks for, if the list has it with the same DICOM number. */
export function askedStudy(studies, { study: id, study_uid: uid }) {
  return studies.find((study) => study.id === id && (!uid || study.uid === uid)) ?? null;
}

/**
 * The study to open by itself: the one that was open before a reload, the launch's, or the only one
 * that can be read. Never a guess between two, nor in place of one that was asked for.
 */
export function studyToOpen(studies, launch, kept) {
  const readable = studies.filter((study) => study.readable);
  if (kept) return readable.find((study) => study.id === kept) ?? null;
  if (launch.study) return askedStudy(readable, launch);
  return readable.length === 1 && !launch.study_unclear ? readable[0] : null;
}
