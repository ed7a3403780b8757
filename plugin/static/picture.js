/** Opens one study: its images into the viewer, and what they say about themselves into the bar above. */

import { Problem, asProblem } from "./api.js";
import { dateInWords } from "./dates.js";
import { announce, byId, button, element, factList, icon } from "./elements.js";
import { HeatMap } from "./heat_map.js";
import { poll } from "./polling.js";
import { problemCard } from "./problem.js";
import { hideSides, showSides } from "./sides.js";
import { Viewer } from "./viewer/viewer.js";

const IDENTITY = {
  match: ["check", "Patient and image agree"],
  sex_differs: ["alert", "The patient number agrees, but the image states another sex: check whose image it is"],
  unverifiable: ["alert", "The image does not prove whose it is: compare name and birth date yourself"],
};
const UNDRAWABLE = {
  code: "undrawable",
  title: "The image cannot be shown",
  text: "What arrived from Wetread is not a picture that this browser can draw.",
  next_step: "Try again. If it happens again, tell your administrator.",
};
const WINDOWLESS = {
  code: "no-values",
  title: "Brightness and contrast cannot be changed",
  text: "The full grey values of this image did not arrive. The image shown is complete.",
};

async function decoded(blob) {
  try {
    return await createImageBitmap(blob);
  } catch {
    throw new Problem(UNDRAWABLE, 502);
  }
}

function ageInWords(age) {
  if (age === null || age === undefined || age === "") return "not stated";
  return typeof age === "number" ? `${Math.floor(age)} years` : String(age);
}

export class Picture {
  #api;
  #viewer = new Viewer();
  #heat = new HeatMap((bitmap, opacity) => this.#viewer.setHeatMap(bitmap, opacity), (number) => this.#showNumber(number));
  #work = null; // AbortController of the study that is open
  #imageWork = null; // and of the image that is shown
  #images = [];
  #image = null;
  #study = null;
  #onOpened;
  #onRetry;

  /**
   * @param {Api} api
   * @param {(problem: Problem|null) => void} onOpened Called when the images of a study are there, or with what kept them away.
   * @param {(study: object) => void} onRetry Asks for the study once more.
   */
  constructor(api, onOpened, onRetry) {
    this.#api = api;
    this.#onOpened = onOpened;
    this.#onRetry = onRetry;
  }

  /** Open a study; another one that is still opening is left. */
  async open(study) {
    this.#work?.abort();
    this.#imageWork?.abort();
    const work = new AbortController();
    this.#work = work;
    this.#study = study;
    this.#images = [];
    this.#heat.forget();
    this.#viewer.close();
    hideSides();
    byId("image-tabs").hidden = true;
    this.#describe(null);
    this.#wait("Opening the study…");
    try {
      this.#images = await this.#imagesOf(study, work.signal);
    } catch (error) {
      if (work.signal.aborted) return;
      this.#fail(asProblem(error));
      this.#onOpened(asProblem(error));
      return;
    }
    this.#showTabs();
    this.#show(this.#images[0]);
    this.#onOpened(null);
  }

  /** The open study as the list has it now, a new report included. */
  refresh(study) {
    if (study?.id !== this.#study?.id) return;
    this.#study = study;
    this.#describe(this.#image);
  }

  /** Whether the image that a reading looked at is among those shown. */
  holds(result) {
    return this.#imageOf(result) !== undefined;
  }

  /** Lay the heat map of a reading over the image that was read, and over no other. */
  async offerHeatMap(result) {
    const work = this.#work;
    const bitmap = await createImageBitmap(await this.#api.blob(result.heat_map));
    const read = this.#imageOf(result);
    if (this.#work === work && read) this.#heat.offer(bitmap, read.number, result.outside);
  }

  /** By its number in DICOM: servers list the images of a study in an order that may change. */
  #imageOf({ sop_instance_uid: uid }) {
    return uid ? this.#images.find((image) => image.sop_instance_uid === uid) : undefined;
  }

  async #imagesOf(study, signal) {
    const opening = await this.#opened(study, signal);
    if (opening.state === "failed") throw new Problem(opening.problem ?? {}, 500);
    if (!opening.images.length) throw new Problem({ title: "This study has no image that can be shown" }, 500);
    return opening.images;
  }

  async #opened(study, signal) {
    const { id } = await this.#api.post("/api/openings", { study: study.id });
    signal.throwIfAborted();
    return poll(() => this.#api.get(`/api/openings/${encodeURIComponent(id)}`, signal), {
      signal,
      finished: ({ state }) => state === "ready" || state === "failed",
      onState: ({ state, step }) => { if (state !== "ready" && step) this.#wait(`${step.label}…`); },
      onTrouble: (again) => this.#wait(again ? "The connection was lost; trying again…" : "Opening the study…"),
    });
  }

  #showTabs() {
    const tabs = byId("image-tabs");
    tabs.hidden = this.#images.length < 2;
    tabs.replaceChildren(...this.#images.map((image) => {
      const tab = button(`Image ${image.number}${image.view_label ? ` · ${image.view_label}` : ""}`, () => this.#showNumber(image.number), { kind: "tab" });
      tab.dataset.image = image.number;
      return tab;
    }));
  }

  #showNumber(number) {
    const image = this.#images.find((each) => each.number === number);
    if (image) this.#show(image);
  }

  #show(image) {
    this.#imageWork?.abort();
    const work = new AbortController();
    this.#imageWork = work;
    this.#load(image, work.signal).catch((error) => {
      // An image that is no longer asked for must not close the one shown since.
      if (!work.signal.aborted) this.#fail(asProblem(error));
    });
  }

  async #load(image, signal) {
    for (const tab of byId("image-tabs").children) tab.setAttribute("aria-pressed", String(tab.dataset.image === String(image.number)));
    this.#describe(image);
    this.#viewer.open(image, `X-ray image ${image.number} of ${this.#images.length}, ${image.view_label || "view not stated"}, ${showSides(image.left_edge)}`);
    this.#heat.showsImage(image.number);
    this.#wait("Loading the image…");
    // Both at once: the picture is a twentieth of the size and paints first.
    const values = this.#api.bytes(image.values.url).catch(asProblem);
    const picture = await decoded(await this.#api.blob(image.jpeg));
    if (signal.aborted) return;
    this.#viewer.showPicture(picture);
    byId("viewport-message").replaceChildren();
    announce("Image shown");
    this.#showValues(await values, image, signal);
  }

  #showValues(buffer, image, signal) {
    if (signal.aborted) return;
    try {
      if (buffer instanceof Problem) throw buffer;
      this.#viewer.showValues(buffer, image.values);
    } catch {
      byId("viewport-message").replaceChildren(problemCard(new Problem(WINDOWLESS)));
    }
  }

  #describe(image) {
    this.#image = image;
    const study = this.#study;
    const shown = this.#images.length;
    byId("picture-heading").textContent = study.title || "Imaging study";
    byId("study-facts").replaceChildren(...factList([
      ["Acquired", dateInWords(image?.acquired) || dateInWords(study.started) || "not stated"],
      ["Accession", study.accession || "not given"],
      ...(image ? [["View", image.view_label || "not stated"], ["Age at image", ageInWords(image.age)]] : []),
      ["Reports", (study.reports ?? []).map(({ status, ours }) => (ours ? `${status} (Wetread)` : status)).join(", ")],
    ]));
    byId("corner-view").textContent = image ? [image.view || image.view_label, shown > 1 ? `${image.number}/${shown}` : null].filter(Boolean).join("  ") : "";
    const identity = byId("identity");
    const [iconName, words] = IDENTITY[image?.identity] ?? [];
    identity.hidden = !words;
    identity.dataset.identity = image?.identity ?? "";
    identity.replaceChildren(...(words ? [icon(iconName), words] : []));
  }

  #wait(text) {
    const message = byId("viewport-message");
    // The same words again would only make the spinner jump.
    if (message.querySelector(".waiting .spinner") && message.textContent === text) return;
    const spinner = element("span", { class: "spinner", "aria-hidden": "true" });
    message.replaceChildren(element("p", { class: "waiting" }, spinner, text));
  }

  #fail(problem) {
    this.#viewer.close();
    hideSides();
    byId("viewport-message").replaceChildren(problemCard(problem, { retry: () => this.#onRetry(this.#study) }));
  }
}
