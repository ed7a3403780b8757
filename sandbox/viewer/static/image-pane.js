// Zoom, pan, invert, brightness and contrast of the picture in the study page.

const pane = document.getElementById("pane");
const picture = document.getElementById("picture");
const error = document.getElementById("pane-error");
const zoomText = document.getElementById("zoom");
const label = document.getElementById("picture-label");
const brightness = document.getElementById("brightness");
const contrast = document.getElementById("contrast");
const invertButton = document.querySelector('[data-tool="invert"]');

const view = { zoom: 1, x: 0, y: 0, inverted: false };
const MOST_ZOOM = 12;

function draw() {
  picture.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
  const invert = view.inverted ? "invert(1) " : "";
  picture.style.filter = `${invert}brightness(${brightness.value}%) contrast(${contrast.value}%)`;
  zoomText.textContent = `${Math.round(view.zoom * 100)} %`;
  invertButton.setAttribute("aria-pressed", String(view.inverted));
}

function fit() {
  Object.assign(view, { zoom: 1, x: 0, y: 0 });
  draw();
}

// Zooms about a point given from the middle of the pane, so what is under the pointer stays.
function zoomBy(factor, x = 0, y = 0) {
  const zoom = Math.min(MOST_ZOOM, Math.max(1, view.zoom * factor));
  const ratio = zoom / view.zoom;
  view.x = zoom === 1 ? 0 : x - (x - view.x) * ratio;
  view.y = zoom === 1 ? 0 : y - (y - view.y) * ratio;
  view.zoom = zoom;
  draw();
}

function move(x, y) {
  view.x += x;
  view.y += y;
  draw();
}

function invert() {
  view.inverted = !view.inverted;
  draw();
}

const TOOLS = {
  in: () => zoomBy(1.25),
  out: () => zoomBy(0.8),
  fit: () => {
    brightness.value = contrast.value = 100;
    fit();
  },
  invert,
};
const KEYS = {
  "+": TOOLS.in,
  "=": TOOLS.in,
  "-": TOOLS.out,
  0: TOOLS.fit,
  i: invert,
  I: invert,
  ArrowLeft: () => move(40, 0),
  ArrowRight: () => move(-40, 0),
  ArrowUp: () => move(0, 40),
  ArrowDown: () => move(0, -40),
};

function onKey(event) {
  const action = KEYS[event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
}

function onWheel(event) {
  event.preventDefault();
  const box = pane.getBoundingClientRect();
  const x = event.clientX - box.left - box.width / 2;
  const y = event.clientY - box.top - box.height / 2;
  zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15, x, y);
}

function onDrag(event) {
  if (event.buttons === 1) move(event.movementX, event.movementY);
}

function choose(button) {
  for (const other of document.querySelectorAll("[data-picture]")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
  error.hidden = true;
  picture.hidden = false;
  picture.src = button.dataset.picture;
  picture.alt = label.textContent = button.dataset.label;
  fit();
}

function showError() {
  picture.hidden = true;
  error.hidden = false;
}

if (pane) {
  pane.addEventListener("keydown", onKey);
  pane.addEventListener("wheel", onWheel, { passive: false });
  pane.addEventListener("pointerdown", (event) => pane.setPointerCapture(event.pointerId));
  pane.addEventListener("pointermove", onDrag);
  pane.addEventListener("dblclick", TOOLS.fit);
  picture.addEventListener("error", showError);
  if (picture.complete && picture.naturalWidth === 0) showError();
  for (const input of [brightness, contrast]) input.addEventListener("input", draw);
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.addEventListener("click", TOOLS[button.dataset.tool]);
  }
  for (const button of document.querySelectorAll("[data-picture]")) {
    button.addEventListener("click", () => choose(button));
  }
}
