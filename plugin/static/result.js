/** The result: words first, then the number and what it means, detail behind a click, what it rests on. */

import { asideAnswer, intervalMethod, radiographicExtent, thresholds } from "./detail.js";
import { element, icon, prose } from "./elements.js";
import { prevalenceTrial } from "./prevalence.js";
import { stepList } from "./steps.js";

const LOOKED_ONLY = /^Looked only for /;

/** Every text of a probability is the server's: the same in report, PDF and page. */
function classBar({ label, probability, percent, target }) {
  const fill = element("span", { class: "bar-fill" });
  // CSSOM, because the content security policy allows no style attribute.
  fill.style.width = `${Math.min(100, Math.max(0, probability * 100))}%`;
  return element(
    "li", { class: target ? "target" : null },
    element("span", { class: "bar-label" }, label),
    element("span", { class: "bar", "aria-hidden": "true" }, fill),
    element("span", { class: "bar-value" }, percent),
  );
}

function targetOf(result) {
  return result.target ?? result.classes.find(({ target }) => target)?.label ?? "Covid-19";
}

function score(result) {
  const where = result.presumed ? `where ${result.presumed.words} patients have it` : "by this model";
  return element(
    "div", { class: "score" },
    element("p", { class: "score-number" }, result.percent),
    element("p", { class: "score-words" }, ...prose(`probability of ${targetOf(result)} ${where}`)),
  );
}

/** How sure the number is, what it presumes, what the image adds: the server's sentences. */
function meaning(result) {
  if (!result.meaning?.length) return null;
  return element("div", { class: "meaning" }, ...result.meaning.map((text) => element("p", {}, ...prose(text))));
}

/** The report's sentences, without those that stand elsewhere on the card. */
function sentences(result) {
  const elsewhere = new Set([
    ...[...(result.reasons ?? []), ...(result.cautions ?? [])].map(({ sentence }) => sentence),
    ...(result.meaning ?? []),
    ...(result.extent?.sentences ?? []),
    ...(result.aside?.sentences ?? []),
  ]);
  return (result.sentences ?? []).filter((sentence) => !elsewhere.has(sentence) && !LOOKED_ONLY.test(sentence));
}

function paragraphs(texts) {
  return texts.map((text) => element("p", { class: "small" }, ...prose(text)));
}

/** The one thing that nobody may overlook: the report's own words where it has them. */
function caution(result) {
  const words = result.sentences?.find((sentence) => LOOKED_ONLY.test(sentence));
  const text = words ?? `Looked only for ${targetOf(result)}; a low score does not exclude it.`;
  return element("p", { class: "caution" }, icon("alert"), element("span", {}, ...prose(text)));
}

function reasons(list, label) {
  if (!list?.length) return null;
  return element("ul", { class: "reasons", "aria-label": label }, ...list.map(({ code, sentence }) => (
    element("li", { "data-code": code }, icon("info"), element("span", {}, ...prose(sentence))))));
}

/** A model card's address may be a page of ours or of the model's authors; anything else is only text. */
function cardLink(card) {
  if (!card) return null;
  if (!/^(https?:|\/)/.test(card) || !URL.canParse(card, location.origin)) return card;
  const { protocol, origin } = new URL(card, location.origin);
  if (protocol !== "https:" && origin !== location.origin) return card;
  return element("a", { href: card, target: "_blank", rel: "noopener noreferrer" }, "Model card");
}

function modelFacts(result) {
  const { title, version, weights, card } = result.model;
  return element(
    "section", { class: "model", "aria-label": "Model and its limits" },
    element("h3", {}, "What this rests on"),
    element("p", { class: "model-name" }, `${title}, version ${version}`, weights ? ` (weights ${String(weights).slice(0, 12)})` : "", card ? " · " : "", cardLink(card)),
    result.limits?.length ? element("ul", { class: "limits" }, ...result.limits.map((limit) => element("li", {}, limit))) : null,
  );
}

function readResult(result) {
  return [
    element("h3", { class: "headline", tabindex: "-1" }, ...prose(result.headline)),
    score(result),
    meaning(result),
    caution(result),
    reasons(result.cautions, "Keep in mind"),
    radiographicExtent(result),
    element("ul", { class: "classes", "aria-label": "Probability of each class" }, ...result.classes.map(classBar)),
    thresholds(result),
    prevalenceTrial(result),
    intervalMethod(result),
    ...paragraphs(sentences(result)),
  ].filter(Boolean);
}

function unreadResult(result) {
  return [
    element("h3", { class: "headline", tabindex: "-1" }, result.headline || "No result: the model cannot read this image"),
    reasons(result.reasons, "Why it cannot be read"),
    element("p", { class: "caution" }, icon("alert"), element("span", {}, ...prose(`This says nothing about ${targetOf(result)}, neither for nor against it.`))),
    reasons(result.cautions, "Keep in mind"),
    asideAnswer(result, classBar),
    ...paragraphs(sentences(result)),
  ].filter(Boolean);
}

/** The result card; `status` is "ok" or "cannot_read". */
export function resultCard(result) {
  const read = result.status === "ok";
  return element(
    "article", { class: `card result ${read ? "read" : "unread"}`, "data-status": result.status },
    ...(read ? readResult(result) : unreadResult(result)),
  );
}

/** Model, limits and the time each step took: below the report, for whoever asks. */
export function resultBasis(reading) {
  return [
    modelFacts(reading.result),
    element("details", { class: "timing" }, element("summary", {}, "How long each step took"), stepList(reading.steps)),
  ];
}
