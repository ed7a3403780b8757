/** Where the image lies in the viewport: pure arithmetic on {scale, x, y}, in CSS pixels. */

export const MOST_ZOOM = 16;
export const LEAST_ZOOM = 0.5;

/** The largest scale that shows the whole image. */
export function fitScale(image, viewport) {
  return Math.min(viewport.width / image.width, viewport.height / image.height);
}

export function fitted(image, viewport) {
  const scale = fitScale(image, viewport);
  return { scale, x: (viewport.width - image.width * scale) / 2, y: (viewport.height - image.height * scale) / 2 };
}

/** Zoom by `factor` and keep the point (x, y) of the viewport over the same spot of the image. */
export function zoomed(placement, factor, point, image, viewport) {
  const fit = fitScale(image, viewport);
  const scale = Math.min(fit * MOST_ZOOM, Math.max(fit * LEAST_ZOOM, placement.scale * factor));
  const ratio = scale / placement.scale;
  return within(
    { scale, x: point.x - (point.x - placement.x) * ratio, y: point.y - (point.y - placement.y) * ratio },
    image, viewport,
  );
}

export function moved(placement, dx, dy, image, viewport) {
  return within({ ...placement, x: placement.x + dx, y: placement.y + dy }, image, viewport);
}

/** Never let the image leave the viewport: its centre part stays within reach. */
export function within({ scale, x, y }, image, viewport) {
  const limit = (start, size, room) => Math.min(room / 2, Math.max(room / 2 - size, start));
  return {
    scale,
    x: limit(x, image.width * scale, viewport.width),
    y: limit(y, image.height * scale, viewport.height),
  };
}

/** The same view in a viewport of another size: same zoom relative to fit, same spot in the middle. */
export function resized(placement, image, before, after) {
  const factor = fitScale(image, after) / fitScale(image, before);
  const middle = { x: (before.width / 2 - placement.x) / placement.scale, y: (before.height / 2 - placement.y) / placement.scale };
  const scale = placement.scale * factor;
  return within({ scale, x: after.width / 2 - middle.x * scale, y: after.height / 2 - middle.y * scale }, image, after);
}
