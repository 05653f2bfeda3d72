// What happens when: buttons, forms, the running dialogue, and the state of the server.

import * as api from "/page/api.js";
import { Camera, CameraProblem } from "/page/camera.js";
import * as dialogues from "/page/dialogues.js";
import { fillAccountList } from "/page/account.js";
import { find, showGuide, showLabTable, showMessage, showSteps, showView } from "/page/view.js";

const PREVIEW = "A preview, as in a mirror. Nothing is sent.";
let state = null; // of the server: who is signed in, lab mode, the consent text
let running = null; // the AbortController of the dialogue that runs

/** Ends a dialogue by the user's will; its text is shown. */
class UserCancellation extends Error {}

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
    else showProblem(lost);
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
  showMessage(text);
  showView(view || (state.signed_in ? "account" : "home"), !first);
}

async function openView(name) {
  showMessage();
  showLabTable(null);
  if (name === "start") return start();
  if (name === "sign-up" || name === "log-in") find(`${name}-form`).reset(); // consent is given anew each time
  if (name === "who") find("who-answer").hidden = true;
  if (name === "data") fillAccountList(find("data"), await api.readMe());
  showView(name);
}

/** Shows what went wrong; who is not signed in any more goes back to the start. */
async function showProblem(problem) {
  if (problem.code === "not_signed_in") await start().catch(() => {});
  showMessage(problem.message, problem instanceof UserCancellation ? "good" : "bad");
}

const withErrorsShown = action => async (...what) => {
  try {
    await action(...what);
  } catch (problem) {
    await showProblem(problem);
  }
};

// ---- the camera, and a dialogue with it ----

/** Runs a dialogue with the camera on; afterwards the camera is off, whatever happened, and `back` is shown. */
async function runDialogue(title, back, dialogue) {
  if (running) return undefined;
  const { signal } = (running = new AbortController());
  showMessage();
  showLabTable(null);
  find("running-title").textContent = title;
  showSteps([], 0, "");
  showGuide("Waiting for the camera. Allow it if the browser asks.");
  document.body.classList.add("running");
  find("camera-note").textContent = "Frames go to the server until this ends.";
  showView("running");
  try {
    await camera.start();
    signal.throwIfAborted();
    return await dialogue(signal);
  } catch (problem) {
    showView(back);
    throw problem;
  } finally {
    running = null;
    document.body.classList.remove("running");
    camera.stop();
    showGuide();
    find("camera-note").textContent = PREVIEW;
  }
}

function stopRunning(text) {
  running?.abort(new UserCancellation(text));
  camera.stop();
}

/** Shows an answer: what to do, what was wrong with the frame, and in lab mode its numbers. */
function showAnswer(answer) {
  showGuide(answer.say || "", answer.hint?.message || "");
  showLabTable(state.lab ? answer.lab : null);
}

async function signUp(form) {
  const fields = { name: form.name.value, consent: form.consent.checked, findable: form.findable.checked };
  const shots = state.shots.map(shot => shot.say);
  const name = await runDialogue("Five shots", "sign-up", signal => dialogues.signUp(camera, signal, fields, answer => {
    showAnswer(answer);
    showSteps(shots, answer.taken, `${answer.taken} of ${answer.needed} shots taken`);
  }));
  find("log-in-name").value = name;
  await start(`Welcome, ${name}. Your template is stored, your photographs are not. Now you can log in.`, "log-in");
}

async function logIn(form) {
  let limit = "";
  const answer = await runDialogue("Log in", "log-in", signal => dialogues.logIn(camera, signal, form.name.value, part => {
    showAnswer(part);
    if (part.seconds) limit = `You have ${part.seconds} seconds for both.`; // only the first answer has them
    const straight = part.state === "straight";
    const turn = straight ? "Turn your head to the side that will be named." : part.say;
    showSteps(["Look straight into the camera.", turn], straight ? 0 : 1, limit);
  }));
  if (answer.state === "in") return start(answer.say);
  showView("log-in");
  showMessage(answer.say, "bad");
}

async function whoAmI() {
  const name = await runDialogue("Who am I?", "who", signal => dialogues.whoAmI(camera, signal, answer => {
    showAnswer({ say: "Look straight into the camera.", ...answer });
    showSteps(["Look straight into the camera."], 0, "A demonstration of identification: nobody is logged in.");
  }));
  showView("who");
  const answer = find("who-answer");
  answer.hidden = false;
  answer.textContent = name === null ? "Nobody who may be found looks like you." : `You look like ${name}.`;
  answer.focus(); // so that it is read out
}

// ---- what the user does ----

document.addEventListener("click", withErrorsShown(async event => {
  const target = event.target.closest("[data-go]");
  if (target) await openView(target.dataset.go);
}));

find("camera").addEventListener("click", withErrorsShown(async () => {
  if (camera.on) return stopRunning("Stopped. Nothing was kept.");
  showMessage();
  await camera.start();
}));

find("cancel").addEventListener("click", () => stopRunning("Cancelled. Nothing was kept."));
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && running) stopRunning("Cancelled. Nothing was kept.");
});

for (const [id, action] of [["sign-up-form", signUp], ["log-in-form", logIn]]) {
  find(id).addEventListener("submit", event => {
    event.preventDefault();
    withErrorsShown(action)(event.target.elements);
  });
}

find("who-start").addEventListener("click", withErrorsShown(whoAmI));
find("log-out").addEventListener("click", withErrorsShown(async () => {
  await api.logOut();
  await start("You are logged out.");
}));
find("delete").addEventListener("click", withErrorsShown(async () => {
  await api.deleteMe();
  await start("Your account and your template are deleted. The log keeps that somebody was deleted, not who.");
}));

// a page that nobody sees must not film
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stopRunning("Stopped, because the page was hidden. Nothing was kept.");
});

withErrorsShown(start)();
