/** The report that was written: where it is in the chart, and its PDF. */

import { asProblem } from "./api.js";
import { button, element, icon } from "./elements.js";
import { problemCard } from "./problem.js";

const KEEP_MS = 60_000;

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
 * @param {{reference: string, status: string}[]} listed The study's reports as the chart has them now.
 */
export function earlierReportCard(api, report, listed) {
  if (!report.saved) return reportCard(api, { ...report, sentence: "Wetread knows of no report in the chart for this earlier reading." });
  const now = listed.find(({ reference }) => reference === report.reference)?.status;
  if (now === report.status) return reportCard(api, report);
  const then = `When this was read, a ${report.status || ""} report was saved`.replace("  ", " ");
  const since = now ? `now its status in the chart is: ${now}` : "now it is not among the reports that the chart lists for this study";
  return element(
    "section", { class: "card report", "aria-label": "Report", "data-saved": "false", "data-now": now ?? "missing" },
    element("div", { class: "card-head" }, icon("alert"), element("h3", {}, now ? "The report has changed since" : "The report is not listed in the chart")),
    element("p", {}, `${then}; ${since}.`),
    report.reference ? element("p", { class: "reference" }, report.reference) : null,
  );
}

/** @param {object} report `{saved, sentence, reference, observation, status, pdf}` */
export function reportCard(api, report) {
  const card = element(
    "section", { class: "card report", "aria-label": "Report", "data-saved": String(report.saved) },
    element("div", { class: "card-head" }, icon(report.saved ? "check" : "info"),
      element("h3", {}, report.saved ? "Report in the chart" : "Not saved in the chart")),
    report.sentence ? element("p", {}, report.sentence) : null,
    report.saved && report.reference
      ? element("p", { class: "reference" }, report.status ? element("span", { class: "chip" }, report.status) : null, ` ${report.reference}`) : null,
  );
  if (report.pdf) card.append(pdfButton(api, report.pdf, card));
  return card;
}
