/**
 * The hospital's style, as far as every text stays readable.
 *
 * The server has checked the values: colours as "#rrggbb", lengths in pixels, names of fonts. They go
 * into custom properties of one constructed style sheet, for the screen only: paper stays black on
 * white. Which colours may stand on which is known from base.css; a pair below 4.5 to 1 (WCAG 2.2 AA)
 * is mended by mixing in the colour of the text, or left as it was.
 */

const LEAST = 4.5;
// Black and white are equally far from this luminance.
const MIDDLE = 0.18;
const DARK = "(prefers-color-scheme: dark)";
const GROUNDS = ["--page", "--surface", "--raised", "--accent-soft"];
const TEXTS_ON_PAGE = ["--ink", "--soft", "--accent", "--warn-ink", "--bad-ink", "--good"];
const SPACES = { "--space-1": 0.25, "--space-2": 0.5, "--space-3": 0.75, "--space-4": 1, "--space-5": 1.5 };
// The size of running text in base.css, in units of the root's.
const BODY_REM = 0.9375;
const GENERIC = new Set(["serif", "sans-serif", "monospace", "system-ui", "ui-sans-serif", "ui-serif", "ui-rounded"]);

function channels(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

/** Relative luminance (WCAG 2.2, definition): 0 for black, 1 for white. */
function luminance(colour) {
  const [r, g, b] = channels(colour).map((byte) => {
    const c = byte / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function mixed(colour, other, share) {
  const parts = channels(other);
  const bytes = channels(colour).map((byte, at) => Math.round(byte + (parts[at] - byte) * share));
  return `#${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Whether every one of the texts can be read on every one of the grounds. */
function legible(texts, grounds) {
  return texts.every((text) => grounds.every((ground) => contrast(text, ground) >= LEAST));
}

class HospitalStyle {
  #wishes;
  #rule;
  #darkRules;

  constructor(wishes) {
    this.#wishes = wishes;
    const sheet = new CSSStyleSheet({ media: "screen" });
    sheet.insertRule(":root {}");
    [this.#rule] = sheet.cssRules;
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    this.#darkRules = [...document.styleSheets]
      .flatMap((each) => [...each.cssRules])
      .filter((rule) => rule instanceof CSSMediaRule && rule.conditionText === DARK);
  }

  apply() {
    this.#rule.style.cssText = "";
    this.#background(this.#wishes.color_background);
    this.#text(this.#wishes.color_text);
    this.#highlight(this.#wishes.color_highlight);
    this.#mend("--bad-ink", this.#wishes.color_error, ["--bad", "--surface", "--page"]);
    this.#mend("--good", this.#wishes.color_success, ["--surface", "--page"]);
    this.#lengths();
    this.#fonts();
  }

  #set(name, value) {
    this.#rule.style.setProperty(name, value);
  }

  #now(...names) {
    const style = getComputedStyle(document.documentElement);
    return names.map((name) => style.getPropertyValue(name).trim());
  }

  /** Dark for everything, or as the user has chosen. */
  #darken(always) {
    for (const rule of this.#darkRules) rule.media.mediaText = always ? "screen" : DARK;
    document.querySelector('meta[name="color-scheme"]').content = always ? "dark" : "light dark";
  }

  /** Dark if the hospital or the user says so: only who says light may mean nothing by it. */
  #background(colour) {
    this.#darken(false);
    if (!colour) return;
    const dark = luminance(colour) < MIDDLE;
    if (!dark && matchMedia(DARK).matches) return;
    this.#darken(dark);
    if (legible(this.#now(...TEXTS_ON_PAGE), [colour])) this.#set("--page", colour);
    else this.#darken(false);
  }

  #text(colour) {
    if (colour && legible([colour], this.#now(...GROUNDS))) this.#set("--ink", colour);
  }

  #highlight(colour) {
    if (!colour) return;
    const [ink, soft, surface] = this.#now("--ink", "--soft", "--surface");
    const tint = mixed(surface, colour, 0.1);
    if (legible([ink, soft], [tint])) this.#set("--accent-soft", tint);
    if (!this.#mend("--accent", colour, GROUNDS)) {
      this.#rule.style.removeProperty("--accent-soft");
      return;
    }
    const [accent] = this.#now("--accent");
    this.#mend("--accent-strong", mixed(accent, ink, 0.2), GROUNDS);
    // What can be read on the surface can be read the other way round too.
    this.#set("--accent-ink", surface);
  }

  /** Set a colour of text, mixed with ink until it can be read on these grounds. */
  #mend(name, colour, names) {
    const [ink, ...grounds] = this.#now("--ink", ...names);
    for (let share = 0; colour && share <= 1; share += 0.125) {
      const found = mixed(colour, ink, share);
      if (legible([found], grounds)) {
        this.#set(name, found);
        return true;
      }
    }
    return false;
  }

  #lengths() {
    const { dim_border_radius: radius, dim_font_size: size, dim_spacing_size: space } = this.#wishes;
    if (radius !== undefined) this.#set("--radius", `${radius}px`);
    for (const [name, share] of Object.entries(SPACES)) if (space) this.#set(name, `${space * share}px`);
    // Whoever has chosen another size of text in the browser needs it.
    const untouched = getComputedStyle(document.documentElement).fontSize === "16px";
    if (size && untouched) this.#set("font-size", `${size / BODY_REM}px`);
  }

  #fonts() {
    const { font_family_body: body, font_family_heading: heading } = this.#wishes;
    const own = getComputedStyle(document.documentElement).getPropertyValue("--font").trim();
    const named = (names) => [...names.map((name) => (GENERIC.has(name) ? name : `"${name}"`)), own].join(", ");
    if (heading) this.#set("--font-heading", named(heading));
    if (body) this.#set("--font", named(body));
  }
}

/**
 * Put on the hospital's style, and keep it fitting when the user changes between light and dark.
 *
 * @param {object} wishes As `GET /api/launch/style` gives them; empty for none.
 */
export function putOnStyle(wishes) {
  if (!Object.keys(wishes).length) return;
  const style = new HospitalStyle(wishes);
  style.apply();
  matchMedia(DARK).addEventListener("change", () => style.apply());
}
