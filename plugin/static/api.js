/** Calls to the plugin. The launch handle travels in a header only: never in an address, a log or the markup. */

const TIMEOUT_MS = 30_000;

/** What went wrong, in words for the person at the screen. */
export class Problem extends Error {
  constructor({ code, title, text, next_step: nextStep }, status = null) {
    super(code);
    this.code = code || "unknown";
    this.title = title || "Something went wrong";
    this.text = text || "";
    this.nextStep = nextStep || "";
    this.status = status;
  }

  /** Whether asking again, unchanged, may help. */
  get passing() {
    return this.status === null || this.status === 429 || this.status >= 500;
  }

  /** Whether the images may be of somebody else: nothing may stand beside them. */
  get aboutIdentity() {
    return this.code.startsWith("identity_") || this.code === "study_reassigned";
  }

  /** Whether this launch is over: only a new one from the chart helps. */
  get launchOver() {
    return this.status === 401;
  }
}

export function asProblem(error) {
  if (error instanceof Problem) return error;
  return new Problem({
    code: "page",
    title: "The page stopped unexpectedly",
    text: "Something in this page did not work as it should.",
    next_step: "Load the page again. If it happens again, tell your administrator.",
  }, 500);
}

const LOST = {
  code: "network",
  title: "No connection to Wetread",
  text: "The Wetread server did not answer.",
  next_step: "Check the network, then try again.",
};
const UNREADABLE = {
  code: "answer",
  title: "Wetread gave an unreadable answer",
  text: "The server answered with something that this page does not understand.",
  next_step: "Try again. If it happens again, tell your administrator.",
};
const OVER = {
  code: "launch-over",
  title: "This session has ended",
  text: "Wetread's access to the chart has run out or was closed.",
  next_step: "Open Wetread again from the patient's chart.",
};

async function problemFrom(response) {
  try {
    const { problem } = await response.json();
    if (problem) return new Problem(problem, response.status);
  } catch {
    // HTML or half an answer, from a proxy in between: its text is of no use to a clinician.
  }
  return new Problem(response.status === 401 ? OVER : UNREADABLE, response.status);
}

/** The plugin's API for one launch. */
export class Api {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  get(path, signal) {
    return this.#json(path, { signal });
  }

  post(path, body) {
    return this.#json(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  async blob(path) {
    return (await this.#send(path, {})).blob();
  }

  async bytes(path) {
    return (await this.#send(path, {})).arrayBuffer();
  }

  /** End the launch; the server revokes its tokens when its last job is done. */
  async end() {
    await this.#send("/api/launch/end", { method: "POST" });
  }

  async #json(path, options) {
    const response = await this.#send(path, options);
    try {
      return await response.json();
    } catch {
      throw new Problem(UNREADABLE, 502);
    }
  }

  async #send(path, { signal, headers = {}, ...options }) {
    const address = new URL(path, location.origin);
    if (address.origin !== location.origin) throw new Problem(UNREADABLE, 502);
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    let response;
    try {
      response = await fetch(address, {
        ...options,
        headers: { ...headers, "Wetread-Handle": this.#handle },
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem(LOST);
    }
    if (!response.ok) throw await problemFrom(response);
    return response;
  }
}
