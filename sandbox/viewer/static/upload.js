// Sends images one by one, with progress; the chart is shown anew when all went well.

const form = document.getElementById("upload");
const input = document.getElementById("files");
const drop = document.getElementById("drop");
const list = document.getElementById("uploads");
const MOST_BYTES = 96 * 1024 * 1024;

function row(name) {
  const item = document.createElement("li");
  const title = document.createElement("span");
  const bar = document.createElement("progress");
  const text = document.createElement("span");
  title.className = "file-name";
  title.textContent = name;
  bar.max = 1;
  bar.value = 0;
  text.className = "file-state";
  text.textContent = "waiting";
  item.append(title, bar, text);
  list.append(item);
  return { item, bar, text };
}

function end(line, good, text) {
  line.item.className = good ? "good" : "bad";
  line.bar.remove();
  line.text.textContent = text;
}

// fetch() tells nothing about the way up, XMLHttpRequest does.
function send(file, line) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const body = new FormData(form);
    body.set("file", file);
    request.open("POST", form.action);
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      line.bar.value = event.lengthComputable ? event.loaded / event.total : 0;
      line.text.textContent = line.bar.value < 1 ? "sending" : "checking and storing";
    };
    request.onloadend = () => resolve({ status: request.status, body: request.response });
    request.send(body);
  });
}

async function add(file, line) {
  if (file.size > MOST_BYTES) {
    end(line, false, "Not added: a file may have at most 96 MiB.");
    return false;
  }
  const { status, body } = await send(file, line);
  if (status !== 201) {
    end(line, false, `Not added: ${body?.problem?.text ?? "the hospital did not answer."}`);
    return false;
  }
  end(line, true, ["Added.", body.note].filter(Boolean).join(" "));
  const link = document.createElement("a");
  link.href = `${form.dataset.chart}/${encodeURIComponent(body.study)}`;
  link.textContent = "Open study";
  line.item.append(link);
  return !body.note;
}

async function addAll(files) {
  const lines = [...files].map((file) => [file, row(file.name)]);
  let silent = lines.length > 0;
  for (const [file, line] of lines) silent = (await add(file, line)) && silent;
  // With something to read on the page, the person reloads; otherwise the new study appears.
  if (silent) setTimeout(() => window.location.reload(), 700);
}

input?.addEventListener("change", () => {
  addAll(input.files);
  input.value = "";
});
for (const kind of ["dragenter", "dragover"]) {
  drop?.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  drop?.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.remove("over");
  });
}
drop?.addEventListener("drop", (event) => addAll(event.dataTransfer.files));
