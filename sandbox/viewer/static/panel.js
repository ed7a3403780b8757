// Launches the SMART client in its frame, with a new launch code for every load.

// What a person may choose for the next launch, where the panel offers it.
function chosen(panel) {
  const intent = panel.querySelector("[name=intent]")?.value.trim();
  const banner = panel.querySelector("[name=banner]")?.checked;
  return { intent: intent || undefined, need_patient_banner: banner };
}

async function makeLaunch(frame) {
  const { client, patient, study, appContext } = frame.dataset;
  const answer = await fetch("/viewer/launches", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    // What is not there is left out of the JSON.
    body: JSON.stringify({
      client_id: client,
      patient,
      study,
      app_context: appContext,
      ...chosen(frame.closest(".panel")),
    }),
  });
  if (!answer.ok) throw new Error(`launch answered ${answer.status}`);
  return answer.json();
}

// A client that takes the launch by POST gets a form instead of an address.
function post(frame, made) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = made.url.split("?")[0];
  form.target = frame.name;
  for (const name of ["iss", "launch"]) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = made[name];
    form.append(field);
  }
  document.body.append(form);
  form.submit();
  form.remove();
}

export async function load(panel) {
  const frame = panel.querySelector("iframe");
  const note = panel.querySelector(".panel-note");
  note.textContent = "Starting …";
  try {
    const made = await makeLaunch(frame);
    if (made.post) post(frame, made);
    else frame.src = made.url;
    note.textContent = "";
  } catch {
    note.textContent = "It could not be started. Use Reload panel, or reload this page.";
  }
}

for (const panel of document.querySelectorAll(".panel")) {
  if (!panel.querySelector("iframe")) continue;
  panel.querySelector(".reload").addEventListener("click", () => load(panel));
  // A panel of the cards waits until one of their links is chosen.
  if (!("waiting" in panel.dataset)) load(panel);
}

// A page from the back-forward cache would show a frame whose launch is long used up.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});
