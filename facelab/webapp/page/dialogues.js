// The three dialogues with the camera. Each sends frames until the server's answer ends it, or the signal does.
// `onAnswer` gets every answer, to show it; what it shows is no concern of theirs.

import * as api from "/page/api.js";

// milliseconds from one frame to the next, unless the server takes longer
const PAUSE = 500;
const LOG_IN_PAUSE = 750; // the server looks at 60 frames of a log-in, which then last for its 45 seconds
const BUSY_FRAMES = 20; // so many in a row that the server has no room for are let go, and the next one is sent
const WHO_FRAMES = 20; // who-am-I has no end on the server, but only so many frames in ten minutes

/** Sends frames until `send` returns something other than undefined, and returns that. */
async function sendFrames(camera, signal, send, interval = PAUSE) {
  let busy = 0;
  for (;;) {
    signal.throwIfAborted();
    const started = performance.now();
    const frame = await camera.frame();
    signal.throwIfAborted(); // a camera that was stopped meanwhile gives no frame
    const result = await send(frame).then(answer => { busy = 0; return answer; }, problem => {
      if (problem.code !== "busy" || ++busy > BUSY_FRAMES) throw problem;
    });
    signal.throwIfAborted();
    if (result !== undefined) return result;
    await pause(interval - (performance.now() - started), signal);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** Five accepted shots and the account; returns its name. Cancelled before the end, the server forgets the shots. */
export async function signUp(camera, signal, fields, onAnswer) {
  const opened = await api.openSignUp(fields, signal);
  try {
    onAnswer(opened);
    await sendFrames(camera, signal, async frame => {
      const answer = await api.sendShot(opened.sign_up, frame, signal);
      onAnswer(answer);
      return answer.taken >= answer.needed ? answer : undefined;
    });
    return (await api.finishSignUp(opened.sign_up)).name;
  } catch (problem) {
    api.forgetSignUp(opened.sign_up).catch(() => {}); // it may be gone already
    throw problem;
  }
}

/** One challenge; returns the answer that decided it, with state "in" or "refused". */
export async function logIn(camera, signal, fields, onAnswer) {
  const opened = await api.openLogIn(fields, signal);
  onAnswer({ state: "straight", ...opened });
  return sendFrames(camera, signal, async frame => {
    const answer = await api.sendFrame(opened.challenge, frame, signal);
    onAnswer(answer);
    return ["in", "refused"].includes(answer.state) ? answer : undefined;
  }, LOG_IN_PAUSE);
}

/** One answer to one usable frame: a name, or null for nobody. */
export async function whoAmI(camera, signal, onAnswer) {
  let sent = 0;
  return sendFrames(camera, signal, async frame => {
    const answer = await api.whoAmI(frame, signal);
    onAnswer(answer);
    if (!answer.hint) return answer.name;
    if (++sent >= WHO_FRAMES) throw new api.ApiError("no_frame", "No usable frame was seen. Try again in better light.");
  });
}
