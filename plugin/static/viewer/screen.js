/** The canvas: one image (JPEG first, then grey values), and the heat map over it. Draws once per frame at most. */

import { greyTable, paint } from "./grey_levels.js";

export class Screen {
  #canvas;
  #context;
  #source = null; // what is drawn: an ImageBitmap, or the canvas that the values are painted on
  #painted = null; // {values, canvas, image, words}
  #heat = null;
  #heatOpacity = 0;
  #placement = { scale: 1, x: 0, y: 0 };
  #size = { width: 1, height: 1 };
  #levels = null;
  #wanted = false;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
  }

  /** @param {{width: number, height: number}} size In image pixels; the picture may have fewer. */
  clear(size) {
    this.#source = null;
    this.#painted = null;
    this.#heat = null;
    this.#levels = null;
    this.#size = size;
    this.#request();
  }

  showPicture(bitmap) {
    // Grey values are finer than the JPEG: never go back.
    if (!this.#painted) this.#source = bitmap;
    this.#request();
  }

  showValues(values, { rows, columns }) {
    const canvas = new OffscreenCanvas(columns, rows);
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    this.#painted = { values, canvas, context, image, words: new Uint32Array(image.data.buffer) };
    this.#source = canvas;
  }

  setLevels(window, inverted) {
    this.#levels = { window, inverted };
    this.#request();
  }

  setPlacement(placement) {
    this.#placement = placement;
    this.#request();
  }

  setHeatMap(bitmap, opacity) {
    this.#heat = bitmap;
    this.#heatOpacity = opacity;
    this.#request();
  }

  /** Fit the canvas to its box, in device pixels. */
  resize(width, height) {
    const ratio = Math.min(window.devicePixelRatio || 1, 3);
    this.#canvas.width = Math.max(1, Math.round(width * ratio));
    this.#canvas.height = Math.max(1, Math.round(height * ratio));
    this.#draw();
  }

  #request() {
    if (this.#wanted) return;
    this.#wanted = true;
    requestAnimationFrame(() => {
      this.#wanted = false;
      this.#draw();
    });
  }

  #draw() {
    this.#repaint();
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (!this.#source) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 3);
    const { scale, x, y } = this.#placement;
    const box = [x * ratio, y * ratio, this.#size.width * scale * ratio, this.#size.height * scale * ratio];
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "medium";
    context.drawImage(this.#source, ...box);
    if (!this.#heat || this.#heatOpacity <= 0) return;
    context.globalAlpha = this.#heatOpacity;
    context.drawImage(this.#heat, ...box);
  }

  #repaint() {
    if (!this.#painted || !this.#levels) return;
    const { values, context, image, words } = this.#painted;
    paint(values, greyTable(this.#levels.window, this.#levels.inverted), words);
    context.putImageData(image, 0, 0);
    this.#levels = null; // painted; only a new window paints again
  }
}
