/**
 * From one prevalence to another by Bayes' rule on odds: the page's side of inference/prevalence.py.
 *
 * A test holds both to the same numbers and the same texts.
 */

/**
 * @param {number} ratio Likelihood ratio of the image, 0 or more.
 * @param {number} prevalence Share with the disease, above 0 and below 1.
 * @returns {number} Probability, 0..1, to the digits that are written to the record.
 */
export function posterior(ratio, prevalence) {
  const odds = (ratio * prevalence) / (1 - prevalence);
  const probability = odds / (1 + odds);
  const rounded = Number(probability.toFixed(4));
  return rounded > 0 && rounded < 1 ? rounded : probability;
}

/** Whole percent as the server writes them: never "0 %" or "100 %", which would claim certainty. */
export function percent(probability) {
  const exact = probability * 100;
  if (exact < 1) return "below 1 %";
  return exact > 99 ? "above 99 %" : `${halfToEven(exact)} %`;
}

/** Python rounds a half to the even neighbour. */
function halfToEven(number) {
  const rounded = Math.round(number);
  return Math.abs(number % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}
