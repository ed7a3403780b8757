/** Mouse, touch, pen, wheel and keys on the viewport, turned into the viewer's few verbs. */

const WHEEL_STEP = 0.0015;
const KEY_MOVE = 40;
const KEY_LEVEL = 12;
const KEY_ZOOM = 1.25;

function pointIn(target, event) {
  const box = target.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function middleOf([first, second]) {
  return { x: (first.x + second.x) / 2, y: (first.y + second.y) / 2 };
}

function distanceOf([first, second]) {
  return Math.max(1, Math.hypot(first.x - second.x, first.y - second.y));
}

/**
 * One pointer drags (window and level, or the image); two pinch and move together. The middle and the
 * right button, and Shift, always move.
 *
 * @param {HTMLElement} target
 * @param {{tool: () => string, zoom: Function, move: Function, level: Function}} verbs
 */
export function listenToPointers(target, verbs) {
  const pointers = new Map();
  let drag = null;

  target.addEventListener("pointerdown", (event) => {
    // A captured pointer would take its click away: "Try again" lies over the image.
    if (event.target.closest("button, a")) return;
    target.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, pointIn(target, event));
    drag = event.button !== 0 || event.shiftKey ? "move" : verbs.tool();
    target.classList.add("dragging");
  });
  target.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = pointIn(target, event);
    if (pointers.size === 1) {
      (drag === "move" ? verbs.move : verbs.level)(now.x - before.x, now.y - before.y);
    } else if (pointers.size === 2) {
      pinch([...pointers.values()], [...pointers].map(([id, point]) => (id === event.pointerId ? now : point)), verbs);
    }
    pointers.set(event.pointerId, now);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    // The finger that stays after a pinch must not suddenly change the grey levels.
    drag = pointers.size ? "move" : null;
    if (!pointers.size) target.classList.remove("dragging");
  };
  target.addEventListener("pointerup", release);
  target.addEventListener("pointercancel", release);
  target.addEventListener("contextmenu", (event) => event.preventDefault());
}

function pinch(before, now, verbs) {
  const from = middleOf(before);
  const to = middleOf(now);
  verbs.move(to.x - from.x, to.y - from.y);
  verbs.zoom(distanceOf(now) / distanceOf(before), to);
}

export function listenToWheel(target, verbs) {
  target.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
    // A track pad's pinch arrives as a wheel with Ctrl and small steps.
    verbs.zoom(Math.exp(-pixels * WHEEL_STEP * (event.ctrlKey ? 6 : 1)), pointIn(target, event));
  }, { passive: false });
}

export function listenToKeys(target, verbs) {
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const single = {
    "+": () => verbs.zoom(KEY_ZOOM), "=": () => verbs.zoom(KEY_ZOOM),
    "-": () => verbs.zoom(1 / KEY_ZOOM), _: () => verbs.zoom(1 / KEY_ZOOM),
    0: verbs.fit, i: verbs.invert, r: verbs.reset,
  };
  target.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = arrows[event.key];
    const action = single[event.key.toLowerCase()];
    if (arrow && event.shiftKey) verbs.level(arrow[0] * KEY_LEVEL, arrow[1] * KEY_LEVEL);
    else if (arrow) verbs.move(-arrow[0] * KEY_MOVE, -arrow[1] * KEY_MOVE);
    else if (action) action();
    else return;
    event.preventDefault();
  });
}
