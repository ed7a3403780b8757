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

/** Whether the chart holds another status now than when this was read, or none that could be found. */
function isChanged({ reference, status, status_now: now }) {
  return Boolean(reference) && now !== status;
}

function headingOf(report) {
  if (isChanged(report)) return report.status_now ? "The report has changed since" : "The report could not be confirmed";
  if (report.saved) return "Report in the chart";
  return report.unknown ? "Not known whether the report is in the chart" : "Not saved in the chart";
}

/**
 * @param {object} report `{saved, unknown, sentence, reference, observation, status, status_now, pdf}`; `status` is that of
 *   the time when it was read, `status_now` what the chart says now.
 */
export function reportCard(api, report) {
  const good = report.saved && !isChanged(report);
  const card = element(
    "section", { class: "card report", "aria-label": "Report", "data-saved": String(good), "data-changed": isChanged(report) ? "true" : null },
    element("div", { class: "card-head" }, icon(good ? "check" : "info"), element("h3", {}, headingOf(report))),
    report.sentence ? element("p", {}, report.sentence) : null,
    report.reference
      ? element("p", { class: "reference" }, good && report.status ? element("span", { class: "chip" }, report.status) : null, ` ${report.reference}`) : null,
  );
  // Ours says "preliminary": it must not be taken for what the chart holds now.
  if (report.pdf && !isChanged(report)) card.append(pdfButton(api, report.pdf, card));
  return card;
}
