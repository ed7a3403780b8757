/** The steps of a reading while it runs, and what each took when it is over. */

import { element, icon } from "./elements.js";

const ICONS = { done: "check", failed: "cross" };
const WORDS = { waiting: "waiting", running: "in progress", done: "done", failed: "failed" };

function duration(ms) {
  if (ms === null || ms === undefined) return "";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function mark(state) {
  if (state === "running") return element("span", { class: "spinner", "aria-hidden": "true" });
  return ICONS[state] ? icon(ICONS[state]) : element("span", { class: "dot", "aria-hidden": "true" });
}

/** Names stay the server's: a list of `{label, state, ms}` in order. */
export function stepList(steps) {
  return element("ol", { class: "steps" }, ...steps.map(({ name, label, state, ms }) => element(
    "li", { "data-step": name, "data-state": state, "aria-current": state === "running" ? "step" : null },
    mark(state),
    element("span", { class: "step-label" }, label, element("span", { class: "visually-hidden" }, `: ${WORDS[state] ?? state}`)),
    element("span", { class: "step-time" }, duration(ms)),
  )));
}

/** One sentence for a screen reader, or null before the first step runs. */
export function stepSentence(steps) {
  const at = steps.findIndex(({ state }) => state === "running");
  return at < 0 ? null : `Step ${at + 1} of ${steps.length}: ${steps[at].label}`;
}
