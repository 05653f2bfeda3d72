// What happens when: buttons, forms, the running dialogue, and the state of the server.

import * as api from "/page/api.js";
import { Camera, CameraProblem } from "/page/camera.js";
import * as dialogues from "/page/dialogues.js";
import { list } from "/page/account.js";
import { find, guide, labTable, message, show, steps } from "/page/view.js";

const PREVIEW = "A preview, as in a mirror. Nothing is sent.";
let state = null; // of the server: who is signed in, lab mode, the consent text
let running = null; // the AbortController of the dialogue that runs

/** Ends a dialogue by the user's will; its text is shown. */
class Stopped extends Error {}

const camera = new Camera(
  find("video"),
  on => {
    find("video").hidden = !on;
    document.body.classList.toggle("camera-on", on);
    find("camera").textContent = on ? "Stop camera" : "Start camera";
  },
  () => {
    const lost = new CameraProblem("The camera was switched off or taken away. Connect it and try again.");
    if (running) running.abort(lost);
    else fail(lost);
  },
);

// ---- views ----

async function start(text, view) {
  const first = state === null; // a page that has just come leaves the focus at its beginning
  state = await api.readState();
  find("badge").hidden = !state.lab;
  find("signed-in").textContent = state.signed_in || "";
  find("keep").textContent = state.keep_days ? `, or until you have not logged in for ${state.keep_days} days` : "";
  find("consent-text").replaceChildren(...state.consent.text.map(paragraph => {
    const line = document.createElement("p");
    line.textContent = paragraph;
    return line;
  }));
  message(text);
  show(view || (state.signed_in ? "account" : "home"), !first);
}

async function go(name) {
  message();
  labTable(null);
  if (name === "start") return start();
  if (name === "sign-up" || name === "log-in") find(`${name}-form`).reset(); // consent is given anew each time
  if (name === "who") find("who-answer").hidden = true;
  if (name === "data") list(find("data"), await api.readMe());
  show(name);
}

/** Shows what went wrong; who is not signed in any more goes back to the start. */
async function fail(problem) {
  if (problem.code === "not_signed_in") await start().catch(() => {});
  message(problem.message, problem instanceof Stopped ? "good" : "bad");
}

const safely = action => async (...what) => {
  try {
    await action(...what);
  } catch (problem) {
    await fail(problem);
  }
};

// ---- the camera, and a dialogue with it ----

/** Runs a dialogue with the camera on; afterwards the camera is off, whatever happened, and `back` is shown. */
async function run(title, back, dialogue) {
  if (running) return undefined;
  const { signal } = (running = new AbortController());
  message();
  labTable(null);
  find("running-title").textContent = title;
  steps([], 0, "");
  guide("Waiting for the camera. Allow it if the browser asks.");
  document.body.classList.add("running");
  find("camera-note").textContent = "Frames go to the server until this ends.";
  show("running");
  try {
    await camera.start();
    signal.throwIfAborted();
    return await dialogue(signal);
  } catch (problem) {
    show(back);
    throw problem;
  } finally {
    running = null;
    document.body.classList.remove("running");
    camera.stop();
    guide();
    find("camera-note").textContent = PREVIEW;
  }
}

function stopRunning(text) {
  running?.abort(new Stopped(text));
  camera.stop();
}

/** Shows an answer: what to do, what was wrong with the frame, and in lab mode its numbers. */
function showAnswer(answer) {
  guide(answer.say || "", answer.hint?.message || "");
  labTable(state.lab ? answer.lab : null);
}

async function signUp(form) {
  const wishes = { name: form.name.value, consent: form.consent.checked, findable: form.findable.checked };
  const shots = state.shots.map(shot => shot.say);
  const name = await run("Five shots", "sign-up", signal => dialogues.signUp(camera, signal, wishes, answer => {
    showAnswer(answer);
    steps(shots, answer.taken, `${answer.taken} of ${answer.needed} shots taken`);
  }));
  find("log-in-name").value = name;
  await start(`Welcome, ${name}. Your template is stored, your photographs are not. Now you can log in.`, "log-in");
}

async function logIn(form) {
  let limit = "";
  const answer = await run("Log in", "log-in", signal => dialogues.logIn(camera, signal, form.name.value, part => {
    showAnswer(part);
    if (part.seconds) limit = `You have ${part.seconds} seconds for both.`; // only the first answer has them
    const straight = part.state === "straight";
    const turn = straight ? "Turn your head to the side that will be named." : part.say;
    steps(["Look straight into the camera.", turn], straight ? 0 : 1, limit);
  }));
  if (answer.state === "in") return start(answer.say);
  show("log-in");
  message(answer.say, "bad");
}

async function whoAmI() {
  const name = await run("Who am I?", "who", signal => dialogues.whoAmI(camera, signal, answer => {
    showAnswer({ say: "Look straight into the camera.", ...answer });
    steps(["Look straight into the camera."], 0, "A demonstration of identification: nobody is logged in.");
  }));
  show("who");
  const answer = find("who-answer");
  answer.hidden = false;
  answer.textContent = name === null ? "Nobody who may be found looks like you." : `You look like ${name}.`;
  answer.focus(); // so that it is read out
}

// ---- what the user does ----

document.addEventListener("click", safely(async event => {
  const target = event.target.closest("[data-go]");
  if (target) await go(target.dataset.go);
}));

find("camera").addEventListener("click", safely(async () => {
  if (camera.on) return stopRunning("Stopped. Nothing was kept.");
  message();
  await camera.start();
}));

find("cancel").addEventListener("click", () => stopRunning("Cancelled. Nothing was kept."));
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && running) stopRunning("Cancelled. Nothing was kept.");
});

for (const [id, action] of [["sign-up-form", signUp], ["log-in-form", logIn]]) {
  find(id).addEventListener("submit", event => {
    event.preventDefault();
    safely(action)(event.target.elements);
  });
}

find("who-start").addEventListener("click", safely(whoAmI));
find("log-out").addEventListener("click", safely(async () => {
  await api.logOut();
  await start("You are logged out.");
}));
find("delete").addEventListener("click", safely(async () => {
  await api.deleteMe();
  await start("Your account and your template are deleted. The log keeps that somebody was deleted, not who.");
}));

// a page that nobody sees must not film
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stopRunning("Stopped, because the page was hidden. Nothing was kept.");
});

safely(start)();
