/**
 * Sends the page to the hospital's sign-in, after keeping the binder that the callback must show.
 *
 * The binder lies in sessionStorage under the state: two frames of one tab share that storage, and
 * each launch has a state of its own.
 */

const BINDER = "wetread.binder.";

const launch = JSON.parse(document.getElementById("launch").textContent);
const popup = document.getElementById("popup");
const framed = window.top !== window.self;

function show(id) {
  document.getElementById(id).hidden = false;
}

/** False where the browser refuses storage, as some do in frames of other sites. */
function keepBinder() {
  try {
    sessionStorage.setItem(BINDER + launch.state, launch.binder);
    return sessionStorage.getItem(BINDER + launch.state) === launch.binder;
  } catch {
    return false;
  }
}

/** The same launch once more, in a window of its own: there Wetread is first-party. */
function offerWindow(reason) {
  document.getElementById("waiting").hidden = true;
  popup.hidden = false;
  show(reason);
  const address = location.href;
  document.getElementById("open-window").addEventListener("click", () => {
    const opened = window.open(address, "_blank", "popup=yes,width=1400,height=950");
    // Cut the tie after opening: with "noopener" the answer would not tell whether it opened.
    if (opened) opened.opener = null;
    document.getElementById("popup-opened").hidden = !opened;
    document.getElementById("popup-blocked").hidden = Boolean(opened);
  });
}

function begin() {
  if (framed && popup.dataset.authorize === "popup") {
    offerWindow("popup-sign-in");
  } else if (keepBinder()) {
    location.replace(launch.authorize);
  } else if (framed) {
    offerWindow("popup-storage");
  } else {
    document.getElementById("waiting").hidden = true;
    show("no-storage");
  }
}

begin();
