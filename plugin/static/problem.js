/** A problem as the person sees it: what happened, what it means, what to do next. */

import { button, element, icon } from "./elements.js";

/**
 * @param {import("./api.js").Problem} problem
 * @param {object} [options]
 * @param {() => void} [options.retry] Shown as "Try again" unless only a new launch helps.
 * @param {string} [options.level] Heading level.
 */
export function problemCard(problem, { retry = null, level = "h3" } = {}) {
  return element(
    "div",
    { class: "card problem", role: "alert", "data-code": problem.code },
    element("div", { class: "card-head" }, icon("alert"), element(level, {}, problem.title)),
    problem.text ? element("p", {}, problem.text) : null,
    problem.nextStep ? element("p", { class: "next-step" }, problem.nextStep) : null,
    retry && !problem.launchOver ? button("Try again", retry, { iconName: "reset" }) : null,
  );
}
