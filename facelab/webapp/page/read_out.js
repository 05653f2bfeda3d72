// What a screen reader says while somebody looks into the camera: what is new, once, and no faster than it can be heard.

const HINT_PAUSE = 4000; // milliseconds; hints come with each frame, and a sentence takes about so long

const place = document.getElementById("read-out");
let timer = 0, last = -HINT_PAUSE;

/** Reads a step out, at once; it takes the place of whatever waits. */
export const readStep = text => schedule(text, 0);

/** Reads a hint out when the sentence before it is over, unless a newer one has come by then; none takes it back. */
export const readHint = text => schedule(text, Math.max(0, last + HINT_PAUSE - performance.now()));

function schedule(text, pause) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (!text || text === place.textContent) return;
    place.textContent = text;
    last = performance.now();
  }, pause);
}
