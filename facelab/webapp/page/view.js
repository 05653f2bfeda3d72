// What is seen: one view of the panel at a time, the message, the guide below the picture, the steps, the lab table.

import { readHint, readStep } from "/page/read_out.js";

export const find = id => document.getElementById(id);

/** Shows one view and moves the focus to its first field, or else to its heading. */
export function showView(name, focus = true) {
  for (const view of document.querySelectorAll("[data-view]")) view.hidden = view.dataset.view !== name;
  const view = document.querySelector(`[data-view="${name}"]`);
  if (!focus) return;
  scrollTo(0, 0); // each view begins at its top, below a message; while a dialogue runs, picture and guide are there
  (view.querySelector("form input") || view.querySelector("h2")).focus({ preventScroll: name === "running" });
}

/** One message below the title: kind "good" or "bad"; none clears it. */
export function showMessage(text = "", kind = "good") {
  const place = find("message");
  place.replaceChildren();
  if (!text) return;
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = text;
  place.append(line);
}

/** What to do now, and what is wrong with the last frame; what is new is read out. */
export function showGuide(say = "", hint = "") {
  for (const [id, text, read] of [["hint", hint && `Not yet: ${hint}`, readHint], ["say", say, readStep]]) {
    if (find(id).textContent === text) continue;
    find(id).textContent = text;
    read(text);
  }
}

/** The steps of a dialogue; those before `now` are done. The state stands in words too, for those who do not see marks. */
export function showSteps(texts, now, progress) {
  const done = document.querySelectorAll("#steps .done").length;
  if (now > done) readStep(`Step ${now} of ${texts.length} is done. ${texts[now] ? `Next: ${texts[now]}` : ""}`.trim());
  find("steps").replaceChildren(...texts.map((text, place) => {
    const line = document.createElement("li");
    const state = place < now ? "done" : place === now ? "now" : "later";
    line.className = state;
    if (state === "now") line.setAttribute("aria-current", "step");
    const word = document.createElement("span");
    word.className = "unseen";
    word.textContent = state === "done" ? " (done)" : "";
    line.append(text, word);
    return line;
  }));
  find("progress").textContent = progress;
}

/** Lab mode only: the numbers of an answer. Without numbers the table goes. */
export function showLabTable(numbers) {
  find("lab").hidden = !numbers;
  find("lab").tBodies[0].replaceChildren();
  for (const [name, value] of Object.entries(numbers || {})) {
    const row = find("lab").tBodies[0].insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name.replaceAll("_", " ");
    row.append(head);
    row.insertCell().textContent = typeof value === "number" ? Number(value.toFixed(4)) : String(value);
  }
}
