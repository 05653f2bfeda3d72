// The camera: on, off, one frame as JPEG, and in words what is wrong with it and what to do.

const LONGER_SIDE = 640; // more pixels would only make the server slower: it looks for faces in 320 of them
const QUALITY = 0.92;
const BLACK = 20; // of 255; all of a picture below it is black
const PATIENCE = 5000; // milliseconds without a picture after which a camera counts as broken

const PROBLEMS = {
  insecure:
    "The browser gives the camera to safe pages only. Open this page on the computer that runs it, as " +
    "http://localhost, or let the server use https.",
  NotAllowedError:
    "The browser may not use the camera. Press the camera or lock symbol beside the address, allow the camera for " +
    "this page, and try again.",
  NotFoundError: "No camera was found. Connect one or switch it on, and try again.",
  NotReadableError:
    "The camera does not start. Another program may be using it: close video calls and camera programs, and try again.",
  noPicture:
    "The camera is on but delivers no picture. Open its cover or privacy switch, or unplug it and plug it in again, " +
    "and try again.",
  lost: "The camera was switched off or taken away. Connect it and try again.",
};
PROBLEMS.SecurityError = PROBLEMS.NotAllowedError;
PROBLEMS.OverconstrainedError = PROBLEMS.NotFoundError;
PROBLEMS.AbortError = PROBLEMS.NotReadableError;

export class CameraProblem extends Error {}

export const BLACK_PICTURE =
  "The picture is black. Open the cover of the camera or its privacy switch, or turn on a light.";

export class Camera {
  #video;
  #canvas = document.createElement("canvas");
  #use = null; // from start to stop: its AbortController
  now = "off"; // or "asking", or "on"

  /** `onChange` is called with "off", "asking" or "on", `onLost` with what is wrong with a camera that was on. */
  constructor(video, onChange, onLost) {
    this.#video = video;
    this.onChange = onChange;
    this.onLost = onLost;
  }

  /** Returns when the picture is there, or when it is stopped before, which may be while the browser asks for permission. */
  async start() {
    if (this.now === "on") return;
    this.stop();
    if (!navigator.mediaDevices) throw new CameraProblem(PROBLEMS.insecure);
    const use = (this.#use = new AbortController());
    this.#become("asking");
    try {
      const stream = await this.#askForStream(use.signal);
      await this.#showStream(stream, use.signal);
    } catch (problem) {
      if (use.signal.aborted) return;
      this.stop();
      if (problem instanceof CameraProblem) throw problem;
      throw new CameraProblem(PROBLEMS[problem.name] || `The camera does not start (${problem.name}). Try again.`);
    }
    this.#become("on");
  }

  stop() {
    this.#use?.abort();
    this.#use = this.#video.srcObject = null;
    this.#become("off");
  }

  #become(now) {
    this.now = now;
    this.onChange(now);
  }

  #askForStream(signal) {
    const wanted = { video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" }, audio: false };
    const stream = navigator.mediaDevices.getUserMedia(wanted).then(found => {
      const end = () => found.getTracks().forEach(track => track.stop());
      if (signal.aborted) end(); // granted when nobody wants it any more
      else signal.addEventListener("abort", end);
      return found;
    });
    return orAborted(stream, signal); // a browser may ask for as long as it likes
  }

  async #showStream(stream, signal) {
    stream.getVideoTracks()[0].addEventListener("ended", () => this.#lose("lost", signal));
    this.#video.srcObject = stream;
    const started = orAborted(this.#video.play(), signal); // never, where no picture comes
    const late = new Promise(resolve => setTimeout(resolve, PATIENCE));
    await Promise.race([started, late]);
    signal.throwIfAborted();
    this.#checkSize();
    this.#watchFrames(signal);
  }

  #checkSize() {
    if (!this.#video.videoWidth || !this.#video.videoHeight) throw new CameraProblem(PROBLEMS.noPicture);
  }

  /** A picture that stands still for long is no picture: the camera hangs. */
  #watchFrames(signal) {
    let count = 0, changed = performance.now();
    const timer = setInterval(() => {
      const { totalVideoFrames } = this.#video.getVideoPlaybackQuality();
      if (totalVideoFrames !== count) [count, changed] = [totalVideoFrames, performance.now()];
      else if (count && performance.now() - changed > PATIENCE) this.#lose("noPicture", signal); // 0: not counted here
    }, 500);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  #lose(problem, signal) {
    if (signal.aborted) return;
    this.stop();
    this.onLost(new CameraProblem(PROBLEMS[problem]));
  }

  /** What the camera sees now, as JPEG and not mirrored: left and right are those of the world. */
  frame() {
    this.#checkSize();
    const { videoWidth: width, videoHeight: height } = this.#video;
    const scale = Math.min(1, LONGER_SIDE / Math.max(width, height));
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    this.#canvas.getContext("2d").drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    return new Promise(resolve => this.#canvas.toBlob(resolve, "image/jpeg", QUALITY));
  }

  /** Whether the picture is black: a closed cover, a privacy switch, a camera that the system has muted. */
  isBlack() {
    const small = document.createElement("canvas");
    [small.width, small.height] = [16, 12];
    const paper = small.getContext("2d");
    paper.drawImage(this.#video, 0, 0, small.width, small.height);
    const { data } = paper.getImageData(0, 0, small.width, small.height);
    return data.every((value, place) => place % 4 === 3 || value < BLACK); // every fourth one is opacity
  }
}

/** What a promise gives, unless the signal ends the waiting first. */
function orAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    promise.then(resolve, reject);
  });
}
