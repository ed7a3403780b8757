/** The buttons and sliders over the image. One stop for the Tab key; arrow keys go from button to button. */

import { byId } from "../elements.js";

const GREY_ACTIONS = new Set(["invert", "levels"]);

export class Toolbar {
  #verbs;
  #buttons = [...document.querySelectorAll("#viewer .tool")];
  #level = byId("level");
  #width = byId("width");

  constructor(verbs) {
    this.#verbs = verbs;
    for (const button of this.#buttons) button.addEventListener("click", () => this.#press(button));
    const slid = () => verbs.window({ centre: Number(this.#level.value), width: Number(this.#width.value) });
    this.#level.addEventListener("input", slid);
    this.#width.addEventListener("input", slid);
    this.#rove();
    this.enable({ image: false, grey: false });
  }

  /** @param {{image: boolean, grey: boolean}} what Whether there is an image, and its grey values. */
  enable({ image, grey }) {
    for (const button of this.#buttons) {
      const needsGrey = GREY_ACTIONS.has(button.dataset.action);
      // aria-disabled keeps the button in reach of the keyboard, so that the focus is never lost.
      button.setAttribute("aria-disabled", String(!(needsGrey ? grey : image)));
    }
    this.#level.disabled = !grey;
    this.#width.disabled = !grey;
  }

  setRange({ least, most }, start) {
    Object.assign(this.#level, { min: least, max: most, step: 1 });
    Object.assign(this.#width, { min: 1, max: Math.max(2 * (most - least + 1), start.width), step: 1 });
  }

  showWindow({ centre, width }, swapped) {
    this.#level.value = String(Math.round(centre));
    this.#width.value = String(Math.round(width));
    this.#find("invert").setAttribute("aria-pressed", String(swapped));
  }

  #find(action) {
    return this.#buttons.find((button) => button.dataset.action === action);
  }

  #press(button) {
    if (button.getAttribute("aria-disabled") === "true") return;
    const { tool, action } = button.dataset;
    if (tool) this.#choose(tool);
    else if (action === "levels") this.#toggleLevels(button);
    else this.#verbs[action]();
  }

  #choose(tool) {
    for (const button of this.#buttons.filter((each) => each.dataset.tool)) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    this.#verbs.tool(tool);
  }

  #toggleLevels(button) {
    const panel = byId("levels");
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
  }

  #rove() {
    const stop = (chosen) => this.#buttons.forEach((button) => { button.tabIndex = button === chosen ? 0 : -1; });
    stop(this.#buttons[0]);
    this.#buttons.forEach((button, index) => {
      button.addEventListener("focus", () => stop(button));
      button.addEventListener("keydown", (event) => {
        const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -index, End: this.#buttons.length - 1 - index };
        if (!(event.key in steps)) return;
        event.preventDefault();
        this.#buttons.at((index + steps[event.key]) % this.#buttons.length).focus();
      });
    });
  }
}
