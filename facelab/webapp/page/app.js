// What happens when: buttons, forms and keys, and the three dialogues that they begin.

import * as api from "/page/api.js";
import { BLACK_PICTURE } from "/page/camera.js";
import * as dialogues from "/page/dialogues.js";
import { openView, start, state, withErrorsShown } from "/page/navigation.js";
import { camera, isRunning, runDialogue, stopRunning } from "/page/running.js";
import { giveProof } from "/page/second_factor.js";
import { find, showGuide, showLabTable, showMessage, showSteps, showView } from "/page/view.js";

const REMOVED = "Your account is removed from every file.";
const TRACES_LEFT = "Your account is deleted, but the file that held it could not be written anew: traces may stay in it until "
  + "that is tried again, within a day. Tell the person who runs this page.";

/** Shows an answer: what to do, what was wrong with the frame, and in lab mode its numbers. */
function showAnswer(answer) {
  const hint = answer.hint && camera.isBlack() ? BLACK_PICTURE : answer.hint?.message;
  showGuide(answer.say || "", hint || "");
  showLabTable(state.lab ? answer.lab : null);
}

async function signUp(form) {
  const proof = await giveProof(state.second_factor, form, true);
  const consent = form.consent.checked ? state.consent.version : null; // of the text that was shown, which may be older
  const fields = { name: form.name.value, consent, findable: form.findable.checked, ...proof };
  const shots = state.shots.map(shot => shot.say);
  const name = await runDialogue("Five shots", "sign-up", signal => dialogues.signUp(camera, signal, fields, answer => {
    showAnswer(answer);
    showSteps(shots, answer.taken, `${answer.taken} of ${answer.needed} shots taken`);
  }));
  form.passphrase.value = "";
  find("log-in-name").value = name;
  await start(`Welcome, ${name}. Your template is stored, your photographs are not. Now you can log in.`, "log-in");
}

async function logIn(form) {
  let limits; // only the first answer has them
  const fields = { name: form.name.value, ...await giveProof(state.second_factor, form) };
  const answer = await runDialogue("Log in", "log-in", signal => dialogues.logIn(camera, signal, fields, part => {
    showAnswer(part);
    limits ??= { straight: `You have ${part.seconds} seconds.`, turn: `You have ${part.turn_seconds} seconds to turn.` };
    const straight = part.state === "straight";
    const turn = straight ? "Turn your head to the side that will be named." : part.say;
    showSteps(["Look straight into the camera.", turn], straight ? 0 : 1, limits[part.state] ?? "");
  }));
  form.passphrase.value = "";
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
  if (camera.now !== "off") return stopRunning("Stopped. Nothing was sent.");
  showMessage();
  await camera.start();
}));

find("cancel").addEventListener("click", () => stopRunning("Cancelled. No picture was kept."));
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && isRunning()) stopRunning("Cancelled. No picture was kept.");
});

for (const [id, action] of [["sign-up-form", signUp], ["log-in-form", logIn]]) {
  const run = withErrorsShown(action, find(id).querySelector("[type=submit]"));
  find(id).addEventListener("submit", event => {
    event.preventDefault();
    run(event.target.elements);
  });
}

find("who-start").addEventListener("click", withErrorsShown(whoAmI, find("who-start")));
find("log-out").addEventListener("click", withErrorsShown(async () => {
  await api.logOut();
  await start("You are logged out.");
}));
find("delete").addEventListener("click", withErrorsShown(async () => {
  const { has_traces: hasTraces } = await api.deleteMe();
  await start(`${hasTraces ? TRACES_LEFT : REMOVED} The log keeps that somebody was deleted, not who.`);
}));

// a page that nobody sees must not film
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stopRunning("Stopped, because the page was hidden. No picture was kept.");
});

withErrorsShown(start)();
