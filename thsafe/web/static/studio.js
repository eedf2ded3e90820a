// What scripts add to the studio: how far the film is, without the page renewing itself.

const place = document.querySelector("[data-film]");
const words = Object.fromEntries([...place.querySelectorAll("[data-word]")].map((item) => [item.dataset.word, item.textContent]));
const stage = place.querySelector("[data-stage]"), bar = place.querySelector("progress");

async function look() {
  let film;
  try {
    const answer = await fetch(`/studio/films/${place.dataset.film}/state`, { headers: { Accept: "application/json" } });
    if (!answer.ok) { location.reload(); return; }
    film = await answer.json();
  } catch {
    setTimeout(look, 3000); // the server is being started again, perhaps
    return;
  }
  if (film.state === "done" || film.state === "failed") { location.reload(); return; }
  const name = film.state === "waiting" ? "waiting" : (film.stage || "running").replaceAll(" ", "-");
  const text = words[name] ?? film.stage;
  if (stage.textContent !== text) stage.textContent = text;
  if (film.total) bar.value = Math.min(100, (100 * film.done) / film.total);
  else bar.removeAttribute("value");
  setTimeout(look, 700);
}

look();
