/** What stands behind the number: thresholds, radiographic extent, the interval; and an answer aside. */

import { element, prose } from "./elements.js";

const side = ({ above }) => (above ? "above" : "below");

function pointRow(point) {
  return element(
    "tr", {},
    element("th", { scope: "row" }, point.label),
    element("td", {}, side(point)),
    ...[point.sensitivity, point.specificity].map((rate) => element("td", {}, ...prose(rate ?? "not measured"))),
  );
}

/** On which side of each operating point the image lies. A stored result of former times has none. */
export function thresholds({ operating_points: points, operating_points_note: note }) {
  if (!points?.length) return null;
  const heads = ["Thresh\u00adold", "Image", "Sensi\u00adtivity", "Speci\u00adficity"];
  const cautions = points.map(({ side: where, caution }) => (caution ? `${where} ${caution}` : null)).filter(Boolean);
  return element(
    "details", { class: "detail points" },
    element("summary", {}, "Thresholds", element("span", { class: "gist" }, points.map((point) => `${point.label.toLowerCase()}: ${side(point)}`).join(" · "))),
    element(
      "table", {},
      element("caption", { class: "visually-hidden" }, "On which side of each threshold this image lies"),
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, ...points.map(pointRow)),
    ),
    ...[...cautions, note].filter(Boolean).map((text) => element("p", { class: "small" }, ...prose(text))),
  );
}

export function intervalMethod({ interval_method: method }) {
  if (!method) return null;
  return element("details", { class: "detail" }, element("summary", {}, "What the interval covers"), element("p", { class: "small" }, method));
}

export function radiographicExtent({ extent }) {
  if (!extent) return null;
  return element(
    "section", { class: "extent", "aria-label": "Radiographic extent" },
    element("h4", {}, `Radiographic extent: ${extent.words}`),
    element("ul", { class: "measures" }, ...extent.measures.map((measure) => element("li", {}, measure))),
    element("p", { class: "small" }, extent.note),
  );
}

/**
 * The first of its notes says what it is not for.
 *
 * @param {(entry: object) => HTMLElement} bar Draws one class.
 */
export function asideAnswer({ aside }, bar) {
  if (!aside) return null;
  return element(
    "section", { class: "aside", "aria-label": "Another question" },
    element("h4", {}, aside.title),
    element("ul", { class: "classes", "aria-label": aside.title }, ...aside.classes.map(bar)),
    ...aside.notes.map((note, at) => element("p", { class: at ? "small" : "not-for" }, ...prose(note))),
  );
}
