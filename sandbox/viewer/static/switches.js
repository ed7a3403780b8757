// The switch in the footer: the authorization server refuses to be framed, or not.

const box = document.getElementById("refuse-frames");
const note = document.getElementById("switch-note");

async function send() {
  const wanted = box.checked;
  const answer = await fetch("/viewer/switches", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ refuse_frames: wanted }),
  }).catch(() => null);
  if (!answer?.ok) {
    box.checked = !wanted;
    note.textContent = "The switch could not be set.";
    return;
  }
  note.textContent = wanted ? "A launch in a frame now fails." : "Launches in frames work again.";
}

box?.addEventListener("change", send);
