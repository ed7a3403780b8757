/** The page of one reading, from the end of the launch to the report. Start here. */

import { Api, Problem, asProblem } from "./api.js";
import { finishLaunch, forgetLaunch } from "./callback.js";
import { Diagnosis } from "./diagnosis.js";
import { announce, byId, element, icon } from "./elements.js";
import { showPatient, showWarnings } from "./patient.js";
import { Picture } from "./picture.js";
import { problemCard } from "./problem.js";
import { putOnStyle } from "./style.js";
import { askedStudy, foldStudies, showStudies, studyToOpen } from "./studies.js";

class ReadingPage {
  #api;
  #studies = [];
  #reportsProblem = null;
  #chosen = null;
  #picture;
  #diagnosis;

  constructor(api) {
    this.#api = api;
    this.#picture = new Picture(api, (problem) => this.#diagnosis.opened(problem), (study) => this.#open(study));
    this.#diagnosis = new Diagnosis(api, (reading, isNew) => this.#finished(reading, isNew));
    byId("close").addEventListener("click", () => this.#close());
    byId("skip").addEventListener("click", () => byId("panel-heading").focus());
  }

  async start() {
    opening("Looking for the patient and the imaging…");
    const studies = this.#api.get("/api/studies").catch(asProblem);
    const launch = await this.#api.get("/api/launch");
    this.#putOnStyle(launch.style);
    showPatient(launch);
    showWarnings(launch);
    const answer = await studies;
    if (answer instanceof Problem) throw answer;
    this.#take(answer);
    this.#show(launch);
  }

  /** The hospital's style, when it comes: nothing waits for it, and nothing is missing without it. */
  async #putOnStyle(address) {
    try {
      if (address) putOnStyle(await this.#api.get(address));
    } catch {
      // The page has a look of its own.
    }
  }

  #take({ studies, reports_problem: problem }) {
    this.#studies = studies;
    this.#reportsProblem = problem;
  }

  #show(launch) {
    byId("opening").hidden = true;
    byId("layout").hidden = false;
    byId("skip").hidden = false;
    const study = studyToOpen(this.#studies, launch, history.state?.study);
    if (study) this.#choose(study);
    else this.#ask(launch);
  }

  /** No study can be opened by itself: say why, and let the person choose. */
  #ask(launch) {
    this.#list();
    const readable = this.#studies.some((study) => study.readable);
    const named = askedStudy(this.#studies, launch);
    let text = "Choose an imaging study from the list.";
    if (!this.#studies.length) text = "There is no image to show.";
    else if (!readable) text = "None of these studies can be read. The list says why.";
    else if (named) text = `The study that the chart asked for cannot be read: ${named.why_not} Choose another one from the list.`;
    else if (launch.study_unclear) text = launch.study_unclear;
    else if (launch.study) text = "The study that the chart asked for is not among this patient's studies. Choose one from the list.";
    byId("viewport-message").replaceChildren(element("p", { class: "waiting" }, icon("image"), text));
    byId("layout").classList.add("nothing-chosen");
    byId("panel-body").replaceChildren(element("p", { class: "lead" }, readable ? "Choose a study first." : "Without a readable study there is nothing to diagnose."));
    announce(text);
  }

  #choose(study) {
    if (this.#chosen === study.id) return;
    this.#chosen = study.id;
    byId("layout").classList.remove("nothing-chosen");
    // Kept with this page's history entry: a reload comes back to the same study, and two frames of
    // one tab never share it.
    history.replaceState({ ...history.state, study: study.id }, "");
    this.#list();
    foldStudies(this.#studies);
    this.#open(study);
  }

  /** The panel first: it waits for what the picture says. */
  #open(study) {
    this.#diagnosis.open(study);
    this.#picture.open(study);
  }

  #list() {
    showStudies(this.#studies, this.#chosen, (study) => this.#choose(study), this.#reportsProblem);
  }

  /** The heat map onto the image, the new report into the list. */
  async #finished(reading, isNew) {
    if (reading.result?.heat_map) await this.#offerHeatMap(reading.result);
    if (!isNew) return;
    try {
      this.#take(await this.#api.get("/api/studies"));
      this.#list();
      this.#picture.refresh(this.#studies.find((study) => study.id === this.#chosen));
    } catch (error) {
      announce(asProblem(error).title);
    }
  }

  async #offerHeatMap(result) {
    if (!this.#picture.holds(result)) {
      this.#diagnosis.missHeatMap("The image that was read is not among those shown, so its heat map is left out.");
      return;
    }
    try {
      await this.#picture.offerHeatMap(result);
    } catch {
      this.#diagnosis.missHeatMap("The heat map is not there any more. Read again to see it.");
    }
  }

  async #close() {
    try {
      await this.#api.end();
    } catch (error) {
      const problem = asProblem(error);
      if (!problem.launchOver) {
        byId("warnings").replaceChildren(problemCard(problem, { retry: () => this.#close() }));
        return;
      }
    }
    forgetLaunch();
    history.replaceState(null, "");
    closed();
    if (window.top === window) window.close(); // a window that a script opened; a frame stays and shows the words
  }
}

function opening(text) {
  byId("opening-text").textContent = text;
}

/** Leave nothing of the patient on the screen. */
function closed() {
  for (const id of ["patient", "warnings"]) byId(id).replaceChildren();
  byId("layout").remove();
  byId("session").hidden = true;
  byId("skip").hidden = true;
  const text = "Wetread is closed and its access to the chart has ended. Open it again from the patient's chart.";
  const place = byId("opening");
  place.hidden = false;
  place.replaceChildren(element("div", { class: "card done" }, icon("check"), element("p", {}, text)));
  announce(text);
}

function stopped(problem, retry) {
  const place = byId("opening");
  place.hidden = false;
  place.replaceChildren(problemCard(problem, { retry, level: "h1" }));
}

async function main() {
  try {
    const opened = await finishLaunch();
    if (!opened.handle) throw new Problem(opened.problem ?? opened, 401);
    const page = new ReadingPage(new Api(opened.handle));
    await page.start();
  } catch (error) {
    const problem = asProblem(error);
    stopped(problem, problem.launchOver ? null : () => location.reload());
  }
}

main();
