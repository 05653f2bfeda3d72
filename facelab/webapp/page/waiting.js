// A button that has to wait, because the server said for how long.

import { readStep } from "/page/read_out.js";

/** Disables a button for so many seconds and counts them down on it. The wait may be a name's: another one ends it. */
export function holdBack(button, seconds) {
  const label = button.textContent;
  const end = performance.now() + 1000 * seconds;
  const timer = setInterval(count, 250);
  button.disabled = true;
  button.form?.elements.name.addEventListener("input", release);
  count();

  function count() {
    const left = Math.ceil((end - performance.now()) / 1000);
    if (left > 0) button.textContent = `${label} (in ${formatSeconds(left)})`;
    else release();
  }

  function release() {
    clearInterval(timer);
    button.form?.elements.name.removeEventListener("input", release);
    button.disabled = false;
    button.textContent = label;
    if (button.offsetParent) readStep("You can try again now."); // where it is seen
  }
}

function formatSeconds(seconds) {
  const rest = String(seconds % 60).padStart(2, "0");
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)}:${rest} min`;
}
