/** Try another prevalence: what the same image would mean elsewhere. Nothing but this text changes. */

import { element, prose } from "./elements.js";
import { percent, posterior } from "./odds.js";

const LEAST = 0.1;
const MOST = 99;

function inHundred(share) {
  return Number((share * 100).toPrecision(4));
}

function tried(presumed, share) {
  const text = percent(posterior(presumed.ratio, share));
  if (!presumed.interval_ratios) return text;
  const [low, high] = presumed.interval_ratios.map((ratio) => percent(posterior(ratio, share)));
  return low === high ? text : `${text} (anywhere from ${low} to ${high})`;
}

function sentence(presumed, target, input) {
  const hundred = input.valueAsNumber;
  if (!input.validity.valid || Number.isNaN(hundred)) return `Give a number from ${LEAST} to ${MOST}.`;
  return `With ${hundred} in 100: probability of ${target} ${tried(presumed, hundred / 100)}.`;
}

/** A number field, because the keyboard, a screen reader and a finger know how to use one. */
function field(presumed) {
  const input = element("input", { type: "number", id: "tried-prevalence", "aria-describedby": "tried-note" });
  Object.assign(input, { min: LEAST, max: MOST, step: "any", value: inHundred(presumed.prevalence), inputMode: "decimal" });
  return input;
}

/**
 * @param {object} result `presumed` holds the likelihood ratios; without them there is nothing to try.
 * @returns {HTMLElement|null}
 */
export function prevalenceTrial({ presumed, target, percent: reported }) {
  if (presumed?.ratio === null || presumed?.ratio === undefined) return null;
  const input = field(presumed);
  const output = element("output", { class: "tried", for: input.id });
  const show = () => {
    output.replaceChildren(...prose(sentence(presumed, target, input)));
    input.setAttribute("aria-invalid", String(!input.validity.valid || input.value === ""));
  };
  input.addEventListener("input", show);
  show();
  return element(
    "details", { class: "detail trial" },
    element("summary", {}, "Try another prevalence"),
    element("div", { class: "trial-field" }, element("label", { for: input.id }, `How many in 100 such patients have ${target}?`), input),
    output,
    element("p", { class: "small", id: "tried-note" }, ...prose(`Tried on this page only. The result above and the report stay as they are: ${reported}, with ${presumed.words}.`)),
  );
}
