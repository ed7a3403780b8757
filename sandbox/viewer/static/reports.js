// Keeps a chart's reports fresh while a reading runs: asks every two seconds, then less often.

const list = document.getElementById("reports");
const FAST_MS = 2000;
const SLOW_MS = 10000;
const FAST_FOR_MS = 5 * 60 * 1000;
const opened = Date.now();
let shown = null;

async function refresh() {
  const answer = await fetch(list.dataset.address).catch(() => null);
  if (!answer?.ok) return;
  const text = await answer.text();
  if (text === shown) return;
  shown = text;
  // The server escapes every value; the page's policy lets no script in besides.
  const page = new DOMParser().parseFromString(text, "text/html");
  list.replaceChildren(...page.body.childNodes);
}

async function keepFresh() {
  if (!document.hidden) await refresh();
  setTimeout(keepFresh, Date.now() - opened < FAST_FOR_MS ? FAST_MS : SLOW_MS);
}

if (list) keepFresh();
