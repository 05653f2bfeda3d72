// One dialogue with the camera at a time: it begins, and whatever ends it, the camera is off afterwards.

import { Camera, CameraProblem } from "/page/camera.js";
import { showProblem, UserCancellation } from "/page/navigation.js";
import { find, showGuide, showLabTable, showMessage, showSteps, showView } from "/page/view.js";

const PREVIEW = "A preview, as in a mirror. Nothing is sent.";
const LABELS = { off: "Start camera", asking: "Cancel", on: "Stop camera" };
let running = null; // the AbortController of the dialogue that runs

export const camera = new Camera(
  find("video"),
  now => {
    find("video").hidden = now !== "on";
    document.body.classList.toggle("camera-on", now === "on");
    find("camera").textContent = LABELS[now];
  },
  problem => {
    if (running) running.abort(problem);
    else showProblem(problem);
  },
);

/** Runs a dialogue with the camera on; afterwards the camera is off, whatever happened; ended early, `back` is shown. */
export async function runDialogue(title, back, dialogue) {
  if (running) throw new UserCancellation("Another dialogue runs. End it first.");
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

export const isRunning = () => running !== null;

/** Ends the dialogue, if one runs, and the camera; the text says why. */
export function stopRunning(text) {
  running?.abort(new UserCancellation(text));
  camera.stop();
}
