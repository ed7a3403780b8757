/** The AI panel of one study: ask for a reading, follow it, show what came out. */

import { Problem, asProblem } from "./api.js";
import { dateInWords } from "./dates.js";
import { announce, button, byId, element, icon } from "./elements.js";
import { poll } from "./polling.js";
import { problemCard } from "./problem.js";
import { reportCard } from "./report.js";
import { resultBasis, resultCard } from "./result.js";
import { stepList, stepSentence } from "./steps.js";

const OVER = new Set(["done", "failed", "awaiting_launch"]);
const NOT_SAVED = {
  code: "awaiting-launch",
  title: "The report is not in the chart yet",
  text: "Your sign-in ran out before the report could be written. The result is kept.",
  next_step: "Open Wetread again from this patient's chart: the report is checked and written then.",
};

function earlierReading({ read_at: readAt }) {
  const when = dateInWords(readAt);
  return when ? `Earlier reading, made on ${when}` : "Earlier reading; when it was made is not known";
}

const WITHHELD = {
  code: "images-missing",
  title: "The earlier reading is not shown",
  text: "A reading is shown only beside its images, and these could not be opened.",
  next_step: "Try again where the image should be.",
};

/** What broke off is tried again by itself: nobody need click for that. */
const queuedWords = (tries) =>
  tries ? "It broke off; trying again in a moment…" : "Waiting for a free worker…";

export class Diagnosis {
  #api;
  #body = byId("panel-body");
  #onResult;
  #work = null;
  #study = null;
  #images = Promise.withResolvers(); // null once the images of the study are there, or the problem with them

  /** @param {(reading: object, isNew: boolean) => void} onResult Called once with each finished reading. */
  constructor(api, onResult) {
    this.#api = api;
    this.#onResult = onResult;
  }

  /** Show the panel for a study; a reading that it has already is followed or shown. */
  open(study) {
    this.#work?.abort();
    this.#study = study;
    this.#images = Promise.withResolvers();
    if (study.reading) this.#run(study.reading.id);
    else this.#offer();
  }

  /**
   * The images of the study are there, or not. No number may stand beside images of somebody else.
   *
   * @param {Problem|null} problem
   */
  opened(problem) {
    this.#images.resolve(problem);
    if (!problem?.aboutIdentity) return;
    this.#work?.abort();
    this.#fail(problem, null);
  }

  #offer() {
    this.#body.replaceChildren(
      button("AI diagnosis", () => this.#ask(), { kind: "primary", iconName: "wetread" }),
      element("p", { class: "small" }, "A model estimates the probability of Covid-19 on these images and writes a preliminary, unverified report into the chart."),
    );
  }

  async #ask() {
    const study = this.#study;
    const work = this.#begin();
    byId("panel-heading").focus({ preventScroll: true });
    this.#bringIntoView();
    this.#progress([], "Starting…");
    try {
      const { id } = await this.#api.post("/api/readings", { study: study.id });
      study.reading = { id, state: "queued" }; // coming back from another study finds it again
      if (!work.signal.aborted) await this.#follow(id, work.signal, true);
    } catch (error) {
      if (!work.signal.aborted) this.#fail(asProblem(error));
    }
  }

  async #run(id) {
    const work = this.#begin();
    this.#progress([], "Fetching the reading…");
    try {
      await this.#follow(id, work.signal, false);
    } catch (error) {
      if (!work.signal.aborted) this.#fail(asProblem(error), () => this.#run(id));
    }
  }

  /** Where the panel lies below the image, what the click began would go on out of sight. */
  #bringIntoView() {
    const stacked = matchMedia("(max-width: 51.99rem)").matches;
    byId("panel-heading").scrollIntoView({ block: stacked ? "start" : "nearest" });
  }

  #begin() {
    this.#work?.abort();
    this.#work = new AbortController();
    return this.#work;
  }

  async #follow(id, signal, isNew) {
    let said = null;
    let seenUnfinished = false;
    const reading = await poll(() => this.#api.get(`/api/readings/${encodeURIComponent(id)}`, signal), {
      signal,
      finished: ({ state }) => OVER.has(state),
      onState: ({ state, steps, tries }) => {
        const sentence = stepSentence(steps);
        seenUnfinished ||= !OVER.has(state);
        if (!OVER.has(state)) this.#progress(steps, state === "queued" ? queuedWords(tries) : "Reading…");
        if (sentence && sentence !== said) announce(sentence);
        said = sentence;
      },
      onTrouble: (again) => { if (again) this.#trouble(); },
    });
    const wasAsked = isNew || seenUnfinished;
    const problem = reading.result || reading.report ? await this.#imagesShown(reading, wasAsked) : null;
    if (signal.aborted) return;
    if (problem && !wasAsked) this.#fail(new Problem(WITHHELD), null);
    else this.#show(reading, wasAsked);
  }

  #imagesShown({ steps }, wasAsked) {
    this.#progress(wasAsked ? steps : [], "Waiting for the images…");
    return this.#images.promise;
  }

  #progress(steps, title) {
    const state = JSON.stringify([title, steps]);
    const shown = this.#body.querySelector(".progress");
    if (shown?.dataset.state === state) return;
    this.#body.replaceChildren(element(
      "div", { class: "card progress", "aria-busy": "true", "data-state": state },
      element("h3", {}, title),
      steps.length ? stepList(steps) : element("span", { class: "spinner", "aria-hidden": "true" }),
    ));
  }

  #trouble() {
    const note = "The connection was lost; trying again. The reading goes on meanwhile.";
    if (!this.#body.querySelector(".trouble")) this.#body.append(element("p", { class: "trouble" }, note));
    announce(note);
  }

  #show(reading, isNew) {
    const hadFocus = document.activeElement === byId("panel-heading");
    if (reading.state === "failed") this.#fail(new Problem(reading.problem ?? {}, 500), () => this.#ask(), reading.steps);
    else this.#result(reading, isNew);
    const heading = this.#body.querySelector(".headline");
    announce(heading ? heading.textContent : "The reading did not finish");
    if (hadFocus) {
      heading?.focus({ preventScroll: true });
      this.#bringIntoView();
    }
    this.#onResult(reading, isNew);
  }

  #result(reading, isNew) {
    const parts = [];
    if (!isNew) parts.push(element("p", { class: "earlier" }, icon("info"), earlierReading(reading)));
    if (reading.result) parts.push(resultCard(reading.result));
    if (reading.result?.heat_map) parts.push(element("p", { class: "heat-note" }, icon("image"), "A heat map can be laid over the image: switch it on below the image."));
    if (reading.state === "awaiting_launch") parts.push(problemCard(new Problem(reading.problem ?? NOT_SAVED, 401)));
    else if (reading.report) {
      const card = reportCard(this.#api, reading.report);
      // That a report was changed or withdrawn since must be read before the number.
      if (card.dataset.changed) parts.unshift(card);
      else parts.push(card);
    }
    if (reading.result) parts.push(...resultBasis(reading));
    if (reading.state === "done") parts.push(button("Read again", () => this.#ask(), { kind: "quiet again" }));
    this.#body.replaceChildren(...parts);
  }

  /** Say why the reading shown has no heat map to lay over the image. */
  missHeatMap(why) {
    this.#body.querySelector(".heat-note")?.replaceChildren(why);
  }

  #fail(problem, retry = () => this.#ask(), steps = []) {
    this.#body.replaceChildren(problemCard(problem, { retry }));
    if (steps.length) this.#body.append(stepList(steps));
  }
}
