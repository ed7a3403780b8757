/** The image viewer: holds the view (placement, window, inversion, heat map) of one image and its controls. */

import { byId } from "../elements.js";
import { valueRange, valuesFrom } from "./grey_levels.js";
import { listenToKeys, listenToPointers, listenToWheel } from "./gestures.js";
import { fitScale, fitted, moved, resized, zoomed } from "./placement.js";
import { Screen } from "./screen.js";
import { Toolbar } from "./toolbar.js";

const BUTTON_ZOOM = 1.4;
const DRAG_PIXELS = 500; // a drag of this length changes the window by the whole range of values

export class Viewer {
  #viewport = byId("viewport");
  #screen = new Screen(byId("canvas"));
  #toolbar;
  #tool = "window";
  #image = null; // {width, height} in pixels of the original
  #room = { width: 1, height: 1 };
  #placement = { scale: 1, x: 0, y: 0 };
  #grey = null; // {start, window, range, stored inversion}
  #swapped = false;

  constructor() {
    const verbs = {
      tool: () => this.#tool,
      zoom: (factor, point) => this.zoom(factor, point),
      move: (dx, dy) => this.#move(dx, dy),
      level: (dx, dy) => this.#drag(dx, dy),
      fit: () => this.fit(),
      invert: () => this.#invert(),
      reset: () => this.reset(),
    };
    listenToPointers(this.#viewport, verbs);
    listenToWheel(this.#viewport, verbs);
    listenToKeys(this.#viewport, verbs);
    this.#toolbar = new Toolbar({
      tool: (name) => { this.#tool = name; this.#viewport.dataset.tool = name; },
      "zoom-in": () => this.zoom(BUTTON_ZOOM),
      "zoom-out": () => this.zoom(1 / BUTTON_ZOOM),
      fit: verbs.fit,
      invert: verbs.invert,
      reset: verbs.reset,
      window: (window) => this.#setWindow(window),
    });
    this.#viewport.dataset.tool = this.#tool;
    new ResizeObserver(() => this.#resize()).observe(this.#viewport);
  }

  /** Begin another image: everything of the one before goes. */
  open({ columns, rows }, label) {
    this.#image = { width: columns, height: rows };
    this.#grey = null;
    this.#swapped = false;
    this.#screen.clear(this.#image);
    this.#viewport.setAttribute("aria-label", label);
    this.#toolbar.enable({ image: true, grey: false });
    this.#resize();
    this.fit();
  }

  close() {
    this.#image = null;
    this.#grey = null;
    this.#screen.clear({ width: 1, height: 1 });
    this.#toolbar.enable({ image: false, grey: false });
    byId("corner-zoom").textContent = "";
    byId("corner-window").textContent = "";
  }

  /** First paint: the server's picture, at the image's own window. */
  showPicture(bitmap) {
    this.#screen.showPicture(bitmap);
  }

  /** Grey values, from now on windowed here. */
  showValues(buffer, meta) {
    const values = valuesFrom(buffer, meta.rows, meta.columns);
    const start = { centre: meta.window_centre, width: Math.max(1, meta.window_width) };
    this.#grey = { start, range: valueRange(values), inverted: meta.inverted };
    this.#screen.showValues(values, meta);
    this.#toolbar.setRange(this.#grey.range, start);
    this.#toolbar.enable({ image: true, grey: true });
    this.#setWindow(start);
  }

  setHeatMap(bitmap, opacity) {
    this.#screen.setHeatMap(bitmap, opacity);
  }

  zoom(factor, point = { x: this.#room.width / 2, y: this.#room.height / 2 }) {
    if (this.#image) this.#place(zoomed(this.#placement, factor, point, this.#image, this.#room));
  }

  fit() {
    if (this.#image) this.#place(fitted(this.#image, this.#room));
  }

  reset() {
    this.#swapped = false;
    if (this.#grey) this.#setWindow(this.#grey.start);
    this.fit();
  }

  #move(dx, dy) {
    if (this.#image) this.#place(moved(this.#placement, dx, dy, this.#image, this.#room));
  }

  /** Right widens the window (less contrast), up brightens, whichever way the values run. */
  #drag(dx, dy) {
    if (!this.#grey) return;
    const { range, window, inverted } = this.#grey;
    const step = (range.most - range.least + 1) / DRAG_PIXELS;
    const brighter = inverted !== this.#swapped ? -1 : 1;
    this.#setWindow({ centre: window.centre + brighter * dy * step, width: window.width + dx * step });
  }

  #setWindow({ centre, width }) {
    if (!this.#grey) return;
    const { least, most } = this.#grey.range;
    this.#grey.window = {
      centre: Math.min(most, Math.max(least, centre)),
      width: Math.min(2 * (most - least + 1), Math.max(1, width)),
    };
    this.#show();
  }

  #invert() {
    if (!this.#grey) return;
    this.#swapped = !this.#swapped;
    this.#show();
  }

  #show() {
    const { window, inverted } = this.#grey;
    this.#screen.setLevels(window, inverted !== this.#swapped);
    this.#toolbar.showWindow(window, this.#swapped);
    byId("corner-window").textContent = `Level ${Math.round(window.centre)}  Width ${Math.round(window.width)}`;
  }

  #place(placement) {
    this.#placement = placement;
    this.#screen.setPlacement(placement);
    const times = placement.scale / fitScale(this.#image, this.#room);
    byId("corner-zoom").textContent = `Zoom ×${times.toFixed(1)}`;
  }

  #resize() {
    const before = this.#room;
    const { clientWidth: width, clientHeight: height } = this.#viewport;
    if (!width || !height) return;
    this.#room = { width, height };
    if (this.#image) this.#place(resized(this.#placement, this.#image, before, this.#room));
    this.#screen.resize(width, height);
  }
}
