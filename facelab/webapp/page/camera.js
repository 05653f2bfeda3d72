// The camera: on, off, one frame as JPEG, and in words what is wrong with it and what to do.

const LONGER_SIDE = 640; // more pixels would only make the server slower: it looks for faces in 640
const QUALITY = 0.92;

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
};
PROBLEMS.SecurityError = PROBLEMS.NotAllowedError;
PROBLEMS.OverconstrainedError = PROBLEMS.NotFoundError;
PROBLEMS.AbortError = PROBLEMS.NotReadableError;

export class CameraProblem extends Error {}

export class Camera {
  #video;
  #canvas = document.createElement("canvas");
  #stream = null;
  #wanted = false;

  /** `onChange` is called with true or false when the camera goes on or off, `onLost` when it is unplugged. */
  constructor(video, onChange, onLost) {
    this.#video = video;
    this.onChange = onChange;
    this.onLost = onLost;
  }

  get on() {
    return this.#stream !== null;
  }

  async start() {
    if (this.on) return;
    if (!navigator.mediaDevices) throw new CameraProblem(PROBLEMS.insecure);
    this.#wanted = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" },
        audio: false,
      });
      this.#stream = stream;
      if (!this.#wanted) return this.stop(); // stopped while the browser was asking for permission
      stream.getVideoTracks()[0].addEventListener("ended", () => {
        this.stop();
        this.onLost();
      });
      this.#video.srcObject = stream;
      await this.#video.play();
    } catch (problem) {
      const stopped = !this.#wanted;
      this.stop();
      if (stopped) return;
      throw new CameraProblem(PROBLEMS[problem.name] || `The camera does not start (${problem.name}). Try again.`);
    }
    this.onChange(true);
  }

  stop() {
    this.#wanted = false;
    this.#stream?.getTracks().forEach(track => track.stop());
    this.#stream = this.#video.srcObject = null;
    this.onChange(false);
  }

  /** What the camera sees now, as JPEG and not mirrored: left and right are those of the world. */
  frame() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const scale = Math.min(1, LONGER_SIDE / Math.max(width, height));
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    this.#canvas.getContext("2d").drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    return new Promise(resolve => this.#canvas.toBlob(resolve, "image/jpeg", QUALITY));
  }
}
