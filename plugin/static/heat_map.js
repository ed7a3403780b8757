/** The heat map's switch and slider: off until asked for, and only on the image that the model read. */

import { announce, byId, button } from "./elements.js";

const HINT = "Coarse: shows which regions the model used, not where disease is.";

export class HeatMap {
  #bar = byId("heat-bar");
  #switch = byId("heat-switch");
  #opacity = byId("heat-opacity");
  #draw;
  #showImage;
  #bitmap = null;
  #imageRead = null;
  #imageShown = null;
  #outside = null;

  /**
   * @param {(bitmap: ImageBitmap|null, opacity: number) => void} draw
   * @param {(number: number) => void} showImage Shows another image of the study.
   */
  constructor(draw, showImage) {
    this.#draw = draw;
    this.#showImage = showImage;
    this.#switch.addEventListener("change", () => this.#update(true));
    this.#opacity.addEventListener("input", () => this.#update(false));
  }

  forget() {
    this.#bitmap = null;
    this.#imageShown = null;
    this.#switch.checked = false;
    this.#update(false);
  }

  /** @param {string|null} outside How much of the map lies outside the organ, in a sentence. */
  offer(bitmap, imageRead, outside = null) {
    this.#bitmap = bitmap;
    this.#imageRead = imageRead;
    this.#outside = outside;
    this.#update(false);
  }

  showsImage(number) {
    this.#imageShown = number;
    this.#update(false);
  }

  #update(aloud) {
    const here = this.#imageShown === this.#imageRead;
    const on = this.#bitmap !== null && here && this.#switch.checked;
    this.#bar.hidden = this.#bitmap === null || this.#imageShown === null;
    this.#switch.disabled = !here;
    this.#opacity.disabled = !on;
    byId("heat-value").textContent = on ? `${this.#opacity.value} %` : "off";
    this.#hint(here);
    this.#draw(on ? this.#bitmap : null, Number(this.#opacity.value) / 100);
    if (aloud) announce(on ? "Heat map shown" : "Heat map hidden");
  }

  #hint(here) {
    const hint = byId("heat-hint");
    if (here) hint.textContent = this.#outside ? `${HINT} ${this.#outside}` : HINT;
    else hint.replaceChildren("The model read another image. ", button(`Show image ${this.#imageRead}`, () => this.#showImage(this.#imageRead), { kind: "link" }));
  }
}
