/**
 * Ask until it is finished. The handle must stay out of addresses, so there is no EventSource: quick
 * questions at first (a warm reading takes under a second), slower ones later.
 */

const FIRST_MS = 120;
const GROWTH = 1.35;
const LONGEST_MS = 1500;
const TROUBLE_LIMIT = 6;

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/**
 * @param {() => Promise<object>} ask Fetches the state.
 * @param {object} options
 * @param {(state: object) => boolean} options.finished
 * @param {(state: object) => void} options.onState Called with every answer, the last included.
 * @param {(again: boolean) => void} [options.onTrouble] true when an answer failed and is asked for again,
 *   false when the answers are back.
 * @param {AbortSignal} [options.signal]
 * @param {number} [options.slowest] Longest pause in milliseconds.
 * @returns {Promise<object>} The finished state.
 */
export async function poll(ask, { finished, onState, onTrouble = () => {}, signal, slowest = LONGEST_MS }) {
  let wait = Math.min(FIRST_MS, slowest);
  let trouble = 0;
  for (;;) {
    try {
      const state = await ask();
      signal?.throwIfAborted();
      if (trouble) onTrouble(false);
      trouble = 0;
      onState(state);
      if (finished(state)) return state;
    } catch (error) {
      trouble += 1;
      if (signal?.aborted || !error.passing || trouble > TROUBLE_LIMIT) throw error;
      onTrouble(true);
    }
    await pause(wait, signal);
    wait = Math.min(wait * GROWTH, slowest);
  }
}
