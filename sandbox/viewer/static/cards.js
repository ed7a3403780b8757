// Shows the cards of the open chart: asked for after the page is there, and given up soon.

import { load } from "./panel.js";

const section = document.getElementById("cards");
const list = document.getElementById("card-list");
const panel = document.getElementById("card-panel");

function open(button) {
  const frame = panel.querySelector("iframe");
  frame.dataset.client = button.dataset.client;
  delete frame.dataset.appContext;
  if (button.dataset.appContext !== undefined) frame.dataset.appContext = button.dataset.appContext;
  panel.hidden = false;
  load(panel);
  panel.scrollIntoView({ block: "nearest" });
  panel.focus({ preventScroll: true });
}

function close() {
  panel.hidden = true;
  // The client must not go on unseen.
  panel.querySelector("iframe").src = "about:blank";
  list.querySelector("button")?.focus();
}

async function show() {
  // A card that comes late would push the chart away under somebody's hand.
  const tooLate = AbortSignal.timeout(Number(section.dataset.waitMs));
  const answer = await fetch(section.dataset.address, { signal: tooLate });
  if (!answer.ok) return;
  const { cards, problems } = await answer.json();
  for (const problem of problems) console.warn(`CDS service: ${problem}`);
  // The server escapes every value; the page's policy lets no script in besides.
  const page = new DOMParser().parseFromString(cards, "text/html");
  if (!page.body.firstElementChild) return;
  list.replaceChildren(...page.body.childNodes);
  section.hidden = false;
}

list?.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-client]");
  if (button) open(button);
});
panel?.querySelector(".close").addEventListener("click", close);
// A chart without cards is whole: nothing is said when they do not come.
if (section) show().catch(() => {});
