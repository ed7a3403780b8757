/** The report that was written: where it is in the chart, and its PDF. */

import { asProblem } from "./api.js";
import { button, element, icon } from "./elements.js";
import { problemCard } from "./problem.js";

const KEEP_MS = 60_000;
const NONE_THEN = "Wetread knows of no report of this earlier reading in the chart.";
const UNKNOWN_THEN = "When this was read, it could not be found out whether the report was saved. Look at the chart.";

/** Show the PDF in a tab of its own; where the frame may not open one, save it. */
async function openPdf(api, address) {
  const blob = await api.blob(address);
  const url = URL.createObjectURL(new Blob([blob], { type: "application/pdf" }));
  setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
  if (window.open(url, "_blank")) return;
  const link = element("a", { href: url, download: "wetread-report.pdf" });
  document.body.append(link);
  link.click();
  link.remove();
}

function pdfButton(api, address, place) {
  const opener = button("Open report (PDF)", async () => {
    place.querySelector(".problem")?.remove();
    opener.disabled = true;
    try {
      await openPdf(api, address);
    } catch (error) {
      place.append(problemCard(asProblem(error), { level: "h4" }));
    } finally {
      opener.disabled = false;
    }
  }, { kind: "secondary", iconName: "document" });
  return opener;
}

/**
 * The report of an earlier reading: what was saved then may have been signed, changed or withdrawn since,
 * and why somebody else's report was not saved is of no use here.
 *
 * @param {object} report
 * @param {{reference: string, status: string}[]|null} listed The study's reports as the chart has them now; null when they could not be listed.
 */
export function earlierReportCard(api, report, listed) {
  if (!report.reference) return reportCard(api, { ...report, sentence: report.unknown ? UNKNOWN_THEN : NONE_THEN });
  const now = listed?.find(({ reference }) => reference === report.reference)?.status;
  if (now === report.status) return reportCard(api, report);
  const since = now ? `now its status in the chart is: ${now}` : listed
    ? "now it is not among the reports that the chart lists for this study"
    : "whether it is still there could not be looked up";
  return element(
    "section", { class: "card report", "aria-label": "Report", "data-saved": "false", "data-now": now ?? "unknown" },
    element("div", { class: "card-head" }, icon("alert"), element("h3", {}, now ? "The report has changed since" : "The report was not found in the chart")),
    element("p", {}, `When this was read, the chart held a report of it (${report.status}); ${since}.`),
    element("p", { class: "reference" }, report.reference),
  );
}

function headingOf({ saved, unknown }) {
  if (saved) return "Report in the chart";
  return unknown ? "Not known whether the report is in the chart" : "Not saved in the chart";
}

/** @param {object} report `{saved, unknown, sentence, reference, observation, status, pdf}` */
export function reportCard(api, report) {
  const card = element(
    "section", { class: "card report", "aria-label": "Report", "data-saved": String(report.saved) },
    element("div", { class: "card-head" }, icon(report.saved ? "check" : "info"),
      element("h3", {}, headingOf(report))),
    report.sentence ? element("p", {}, report.sentence) : null,
    report.saved && report.reference
      ? element("p", { class: "reference" }, report.status ? element("span", { class: "chip" }, report.status) : null, ` ${report.reference}`) : null,
  );
  if (report.pdf) card.append(pdfButton(api, report.pdf, card));
  return card;
}
