// Where the user is: the state of the server, one view after another, and what went wrong on the way.

import * as api from "/page/api.js";
import { fillAccountList } from "/page/account.js";
import { showFactor } from "/page/second_factor.js";
import { find, showLabTable, showMessage, showView } from "/page/view.js";
import { holdBack } from "/page/waiting.js";

export let state = null; // of the server: who is signed in, lab mode, the consent text

/** Ends something by the user's will; its text is shown. */
export class UserCancellation extends Error {}

/** Asks the server anew who is signed in, and shows the view that follows from it, or the one that is named. */
export async function start(text, view) {
  const first = state === null; // a page that has just come leaves the focus at its beginning
  state = await api.readState();
  find("badge").hidden = !state.lab;
  find("signed-in").textContent = state.signed_in || "";
  find("keep").textContent = state.keep_days ? `, or until you have not logged in for ${state.keep_days} days` : "";
  find("keep-visits").textContent = state.visit_days;
  find("keep-log").textContent = state.log_days;
  find("consent-text").replaceChildren(...state.consent.text.map(paragraph => {
    const line = document.createElement("p");
    line.textContent = paragraph;
    return line;
  }));
  showFactor(state.second_factor);
  showMessage(text);
  showView(view || (state.signed_in ? "account" : "home"), !first);
}

export async function openView(name) {
  showMessage();
  showLabTable(null);
  for (const form of document.forms) form.reset(); // consent is given anew each time, and no passphrase stays behind
  if (name === "start") return start();
  if (name === "who") find("who-answer").hidden = true;
  if (name === "data") fillAccountList(find("data"), await api.readMe());
  showView(name);
}

/** Shows what went wrong; who is not signed in any more goes back to the start. */
export async function showProblem(problem) {
  if (problem.code === "not_signed_in") await start().catch(() => {});
  showMessage(problem.message, problem instanceof UserCancellation ? "good" : "bad");
}

/** An action whose problems are shown; where the server says how long to wait, its button waits so long. */
export function withErrorsShown(action, button) {
  let runs = false;
  return async (...what) => {
    if (button && runs) return; // pressed twice
    runs = true;
    try {
      await action(...what);
    } catch (problem) {
      await showProblem(problem);
      if (button && problem.wait) holdBack(button, problem.wait);
    } finally {
      runs = false;
    }
  };
}
