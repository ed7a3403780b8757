/**
 * The end of a launch in the browser: code, state and binder go to the server, the handle comes back.
 *
 * A page finds its handle again after a reload through a random key of its own in `history.state`,
 * never under a fixed name: two frames of one tab share sessionStorage, but not their history
 * entries. So each frame keeps its own patient.
 */

const BINDER = "wetread.binder.";
const HANDLE = "wetread.handle.";
const TIMEOUT_MS = 90_000;
const AGAIN = "Open Wetread again from the patient's chart.";

const PROBLEMS = {
  reload: {
    code: "launch_interrupted",
    title: "Opening Wetread was interrupted",
    text: "The page was loaded again before the sign-in was finished.",
    next_step: AGAIN,
  },
  direct: {
    code: "launch_missing",
    title: "Wetread is opened from the chart",
    text: "This address works only as the end of a sign-in.",
    next_step: AGAIN,
  },
  binder: {
    code: "binder_missing",
    title: "Wetread could not be opened",
    text: "The sign-in was begun in another tab or window, or the browser keeps no data for this page.",
    next_step: `${AGAIN} If it happens again, allow site data for this address in the browser's settings.`,
  },
  network: {
    code: "network",
    title: "No connection to Wetread",
    text: "The Wetread server did not answer.",
    next_step: `Check the network. ${AGAIN}`,
  },
};

function stored(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function store(key, value) {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch {
    // Without storage the page works until it is reloaded.
  }
}

function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Take the answer out of the address at once: history, screenshots and logs must not keep a code. */
function takeParameters(key) {
  const parameters = new URLSearchParams(location.search);
  history.replaceState({ ...history.state, launch: key }, "", location.pathname);
  return parameters;
}

function takeBinder(state) {
  const binder = stored(BINDER + state);
  store(BINDER + state, null);
  return binder;
}

async function exchange(parameters, binder) {
  const body = { state: parameters.get("state"), binder };
  for (const name of ["code", "iss", "error"]) {
    if (parameters.has(name)) body[name] = parameters.get(name);
  }
  const response = await fetch(location.pathname, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return response.json();
}

function resume() {
  const key = history.state?.launch;
  if (!key) return { problem: PROBLEMS.direct };
  const handle = stored(HANDLE + key);
  return handle ? { handle, resumed: true } : { problem: PROBLEMS.reload };
}

/**
 * Finish the launch that this page was called for, or find the finished one after a reload.
 *
 * @returns {Promise<{handle: string, resumed?: boolean, idle_seconds?: number} | {problem: object}>}
 */
export async function finishLaunch() {
  if (!new URLSearchParams(location.search).has("state")) return resume();
  const key = randomKey();
  const parameters = takeParameters(key);
  const binder = takeBinder(parameters.get("state"));
  if (!binder) return { problem: PROBLEMS.binder };
  try {
    const answer = await exchange(parameters, binder);
    if (answer.handle) store(HANDLE + key, answer.handle);
    return answer;
  } catch {
    return { problem: PROBLEMS.network };
  }
}

/** Forget the handle of this page, when its launch has been ended. */
export function forgetLaunch() {
  const key = history.state?.launch;
  if (key) store(HANDLE + key, null);
}
