/**
 * Stored values to screen greys: the linear VOI function of DICOM PS3.3 C.11.2.1.2.1, as one table
 * look-up per pixel. A table has 65536 entries whatever the image, so a drag costs one small table and
 * one pass over the pixels.
 */

const LEVELS = 65536;

/**
 * @param {{centre: number, width: number}} window In stored values; the width is at least 1.
 * @param {boolean} inverted Low values are white (MONOCHROME1, or the reader asked for it).
 * @returns {Uint32Array} Opaque RGBA words in memory order, one per stored value.
 */
export function greyTable({ centre, width }, inverted) {
  const table = new Uint32Array(LEVELS);
  const span = Math.max(width - 1, Number.EPSILON);
  for (let value = 0; value < LEVELS; value += 1) {
    const position = (value - (centre - 0.5)) / span + 0.5;
    const grey = Math.round(255 * Math.min(1, Math.max(0, position)));
    const shown = inverted ? 255 - grey : grey;
    // Grey is the same in each of three bytes; alpha is the last byte on little-endian machines,
    // which every browser's machine is.
    table[value] = 0xff000000 | (shown << 16) | (shown << 8) | shown;
  }
  return table;
}

/** Paint every value through the table. `target` is a Uint32Array over an ImageData's bytes. */
export function paint(values, table, target) {
  for (let index = 0; index < values.length; index += 1) target[index] = table[values[index]];
}

/** The smallest and the largest stored value. */
export function valueRange(values) {
  let least = LEVELS;
  let most = 0;
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return { least: Math.min(least, most), most };
}

/** Little-endian bytes of the server as values. Throws when the size is not rows x columns. */
export function valuesFrom(buffer, rows, columns) {
  if (buffer.byteLength !== rows * columns * 2) {
    throw new RangeError(`values must be ${rows * columns * 2} bytes; got ${buffer.byteLength}`);
  }
  return new Uint16Array(buffer);
}
