// What scripts add: dropping a file, the share that was sent, live progress. Without them the forms do the same.

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));

function upload(form) {
  const input = form.elements.file, place = form.querySelector(".drop");
  const state = form.querySelector("[data-state]"), name = form.querySelector("[data-name]");
  const button = form.querySelector("button");
  const named = () => {
    name.textContent = input.files.length ? fill(form.dataset.chosen, { name: input.files[0].name }) : "";
  };
  input.addEventListener("change", named);
  for (const kind of ["dragenter", "dragover"]) {
    place.addEventListener(kind, (event) => { event.preventDefault(); place.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) place.addEventListener(kind, () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) { input.files = event.dataTransfer.files; named(); }
  });
  form.addEventListener("submit", (event) => {
    if (!input.files.length) return;
    event.preventDefault();
    const request = new XMLHttpRequest(); // fetch() does not tell how much was sent
    let told = -10;
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "text/html");
    request.responseType = "text";
    request.upload.addEventListener("progress", ({ loaded, total, lengthComputable }) => {
      const share = lengthComputable ? Math.floor((100 * loaded) / total) : 0;
      if (share >= 100) state.textContent = form.dataset.sent;
      else if (share >= told + 10) { told = share; state.textContent = fill(form.dataset.sending, { share: `${share} %` }); }
    });
    request.addEventListener("load", () => {
      // The server's answer is a whole page of its own: the report, its progress, or what went wrong.
      const next = request.responseURL;
      if (request.status < 400 && next !== location.href) { history.replaceState(null, "", next); }
      show(request.responseText);
    });
    request.addEventListener("error", () => { state.textContent = form.dataset.failed; button.disabled = false; });
    button.disabled = true;
    request.send(new FormData(form));
  });
}

function show(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  document.title = page.title;
  document.documentElement.lang = page.documentElement.lang;
  document.body.replaceWith(page.body);
  begin();
  document.getElementById("main")?.focus();
  scrollTo(0, 0);
}

function follow(place) {
  const words = Object.fromEntries([...document.querySelectorAll("[data-word]")].map((item) => [item.dataset.word, item.textContent]));
  const rows = new Map([...document.querySelectorAll("[data-check]")].map((row) => [row.dataset.check, row]));
  const source = new EventSource(`/v1/verifications/${place.dataset.progress}/events`);
  const update = ({ data }) => {
    const job = JSON.parse(data);
    let done = 0;
    for (const { check, status } of job.checks ?? []) {
      const row = rows.get(check), word = status || "running";
      if (status) done += 1;
      if (!row) continue;
      row.className = word;
      row.querySelector(".outcome").textContent = words[word] ?? word;
    }
    const text = job.state === "waiting"
      ? fill(place.dataset.waiting, { ahead: job.ahead })
      : fill(place.dataset.working, { done, all: rows.size });
    if (place.textContent !== text) place.textContent = text;
  };
  source.addEventListener("progress", update);
  source.addEventListener("ended", (event) => { source.close(); update(event); location.reload(); });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });
}

function begin() {
  for (const form of document.querySelectorAll("form[data-upload]")) upload(form);
  for (const place of document.querySelectorAll("[data-progress]")) follow(place);
}

begin();
