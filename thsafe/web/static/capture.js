// Camera and microphone for a consent. The recording stays in this page; it is sent when the person signs, not before.

const form = document.querySelector("[data-capture]");
const said = form.dataset, view = form.querySelector("[data-view]"), state = form.querySelector("[data-state]");
const begin = form.querySelector("[data-begin]"), end = form.querySelector("[data-end]"), anew = form.querySelector("[data-anew]");
const sign = form.querySelector("[type=submit]");
const KINDS = ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];
const LONGEST = 120;

let recording = null, recorder = null, stream = null, clock = 0;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
const tell = (text) => { state.textContent = text; };
const free = () => { for (const track of stream?.getTracks() ?? []) track.stop(); stream = null; };

async function record() {
  begin.disabled = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } });
  } catch (problem) {
    tell(`${said.denied} (${problem.name})`);
    begin.disabled = false;
    return;
  }
  const pieces = [], began = Date.now();
  recorder = new MediaRecorder(stream, { mimeType: KINDS.find((kind) => MediaRecorder.isTypeSupported(kind)) ?? "" });
  recorder.addEventListener("dataavailable", ({ data }) => { if (data.size) pieces.push(data); });
  recorder.addEventListener("stop", () => {
    clearInterval(clock);
    free();
    recording = new Blob(pieces, { type: recorder.mimeType.split(";")[0] });
    show();
  });
  Object.assign(view, { srcObject: stream, muted: true, controls: false });
  view.removeAttribute("src");
  await view.play();
  recorder.start(1000);
  tell(fill(said.recording, { seconds: 0 }));
  clock = setInterval(() => {
    const seconds = Math.round((Date.now() - began) / 1000);
    if (seconds % 5 === 0) tell(fill(said.recording, { seconds }));
    if (seconds >= LONGEST) recorder.stop();
  }, 1000);
  begin.hidden = true;
  end.hidden = false;
  end.focus();
}

function show() {
  Object.assign(view, { srcObject: null, src: URL.createObjectURL(recording), muted: false, controls: true });
  end.hidden = true;
  anew.hidden = false;
  anew.focus();
  tell(recording.size > Number(said.most) ? said.long : said.ready);
}

function again() {
  URL.revokeObjectURL(view.src);
  recording = null;
  anew.hidden = true;
  begin.hidden = false;
  begin.disabled = false;
  record();
}

async function send() {
  const size = Number(said.piece);
  for (let offset = 0; offset < recording.size; offset += size) {
    const answer = await fetch(`/consent/${said.capture}/recording?offset=${offset}`, {
      method: "PUT", body: recording.slice(offset, offset + size),
      headers: { "Content-Type": "application/octet-stream", "X-Form-Word": form.elements.word.value, Accept: "application/json" },
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    tell(fill(said.sending, { share: `${Math.round((100 * Math.min(recording.size, offset + size)) / recording.size)} %` }));
  }
}

async function finish() {
  sign.disabled = true;
  try {
    await send();
    tell(said.signing);
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) signed(page, answer.url);
    else tell([...page.querySelectorAll(".problem .what, .problem dd")].map((item) => item.textContent).join(" – ") || said.failed);
  } catch (problem) {
    tell(`${said.failed} ${problem.message}`);
  }
  sign.disabled = false;
}

function signed(page, address) {
  history.replaceState(null, "", address);
  document.title = page.title;
  document.querySelector("main").replaceWith(page.querySelector("main"));
  const link = document.querySelector("[data-save]");
  link.href = URL.createObjectURL(recording);
  link.download = `recording.${recording.type === "video/mp4" ? "mp4" : "webm"}`;
  link.hidden = false;
  const warn = (event) => event.preventDefault(); // the recording is nowhere else
  addEventListener("beforeunload", warn);
  link.addEventListener("click", () => removeEventListener("beforeunload", warn));
  document.getElementById("main").focus();
  scrollTo(0, 0);
}

form.hidden = false;
if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) { begin.disabled = true; tell(said.denied); }
begin.addEventListener("click", record);
end.addEventListener("click", () => recorder.stop());
anew.addEventListener("click", again);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (recording) finish();
  else { tell(said.first); begin.focus(); }
});
addEventListener("pagehide", free);
