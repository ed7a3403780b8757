/** Which side of the patient lies at which edge of the image: R and L, as on a film. The viewer never turns an image. */

import { byId } from "./elements.js";

const OTHER = { R: "L", L: "R" };
const WORDS = { R: "right", L: "left" };

/**
 * @param {"R"|"L"|null|undefined} leftEdge The patient's side at the left edge, as the image states it.
 * @returns {string} The same in words, for a screen reader.
 */
export function showSides(leftEdge) {
  const known = leftEdge in OTHER;
  byId("side-left").textContent = known ? leftEdge : "";
  byId("side-right").textContent = known ? OTHER[leftEdge] : "";
  byId("side-unknown").textContent = known ? "" : "Side not stated";
  return known ? `the patient's ${WORDS[leftEdge]} side is at the left edge` : "the image does not state which side is which";
}

export function hideSides() {
  for (const id of ["side-left", "side-right", "side-unknown"]) byId(id).textContent = "";
}
