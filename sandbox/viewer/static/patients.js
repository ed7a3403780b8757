// Narrows the patient list while typing; without it the form asks the server.

const field = document.getElementById("q");
const rows = [...document.querySelectorAll("#patients tbody tr")];
const nobody = document.getElementById("nobody");

// Rows that the server left out come back only with a search on the server.
const serverFiltered = field.value.trim() !== "";

function narrow() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.dataset.words.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  nobody.hidden = shown > 0;
}

if (!serverFiltered) field.addEventListener("input", narrow);
field.focus();
