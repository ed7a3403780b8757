/**
 * Page elements from data. Text goes in as text nodes only, so markup in a patient's name or in a
 * DICOM attribute shows as the characters that it is.
 */

const SVG = "http://www.w3.org/2000/svg";
const ATTRIBUTES = new Set([
  "class", "id", "type", "title", "role", "for", "href", "rel", "target", "download", "open", "tabindex",
  "disabled", "hidden", "scope",
]);

/**
 * Make one element.
 *
 * @param {string} tag
 * @param {object} attributes Listed names, `aria-*` and `data-*`; null, undefined and false leave one out.
 * @param {...(Node|string|null)} children Strings become text.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (!ATTRIBUTES.has(name) && !/^(aria|data)-/.test(name)) {
      throw new TypeError(`attribute must be one of the known ones, aria-* or data-*; got ${name}`);
    }
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const TOGETHER = /(\S+-\d+\S*|\S+ %\S*)/;

/** A sentence whose "Covid-19" and "13 %" stay on one line each. */
export function prose(text) {
  return String(text).split(TOGETHER).filter(Boolean)
    .map((part) => (TOGETHER.test(part) ? element("span", { class: "together" }, part) : part));
}

/** A picture of templates/icons.svg, which the page carries; always decoration, the words stand beside it. */
export function icon(name) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("aria-hidden", "true");
  picture.setAttribute("class", "icon");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  picture.append(use);
  return picture;
}

export function button(text, onClick, { kind = "", iconName = null } = {}) {
  const made = element("button", { type: "button", class: `button ${kind}`.trim() });
  if (iconName) made.append(icon(iconName));
  made.append(text);
  made.addEventListener("click", onClick);
  return made;
}

/** Pairs for a `<dl>`; a pair without a value is left out. */
export function factList(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([label, value]) => element("div", {}, element("dt", {}, label), element("dd", {}, value)));
}

export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new TypeError(`the page must have an element with id ${id}`);
  return found;
}

/** Say something to a screen reader without moving the focus. */
export function announce(text) {
  byId("announcer").textContent = text;
}
