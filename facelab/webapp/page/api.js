// The server's answers. Every refusal becomes one kind of error, with a sentence that can be shown.

export const PATIENCE = 15_000; // milliseconds; a server that is well answers within two seconds, also when it is attacked

export class ApiError extends Error {
  /** `wait`: seconds after which the server will hear it again, where it says so. */
  constructor(code, message, wait = 0) {
    super(message);
    this.code = code;
    this.wait = wait;
  }
}

const RESTART = "If that does not help, start it again with “facelab app” and reload this page.";
const OFFLINE = "The server does not answer. Start it again with “facelab app”, then reload this page.";
const FROZEN = `The server has not answered for ${PATIENCE / 1000} seconds. Wait a moment and try again. ${RESTART}`;
const MAY_BE_KEPT = "Your account may have been kept: try to log in before you sign up again.";
const MAY_BE_DELETED = "Your account may be deleted already: log in to see whether it is.";

/** `unsure` says what may have been done although no answer came. */
async function sendRequest(method, path, body, { signal, unsure = "", ...options } = {}) {
  const headers = {};
  if (method !== "GET") headers["X-FaceID"] = "1"; // another site cannot send this header, so it cannot act for the user
  if (body instanceof Blob) headers["Content-Type"] = body.type;
  else if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  const limit = withPatience(signal);
  let response, answer;
  try {
    response = await fetch(path, { method, headers, body, cache: "no-store", signal: limit.signal, ...options });
    answer = await readAnswer(response);
  } catch {
    signal?.throwIfAborted(); // the user did not want it any more
    const [code, message] = limit.signal.aborted ? ["frozen", FROZEN] : ["offline", OFFLINE];
    throw new ApiError(code, `${message} ${unsure}`.trim());
  } finally {
    limit.end();
  }
  if (response.ok) return answer;
  throw new ApiError(answer.error || "error", answer.message || "The server could not do this.", secondsToWait(response));
}

async function readAnswer(response) {
  const text = await response.text(); // empty for 204
  return text && response.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : {};
}

/** A signal that ends with another one, or when the server takes longer than we wait. */
function withPatience(signal) {
  const control = new AbortController(); // AbortSignal.any would do, but browsers have it only since 2023 or 2024
  const stop = () => control.abort();
  const timer = setTimeout(stop, PATIENCE);
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop);
  const end = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  };
  return { signal: control.signal, end };
}

/** Retry-After of an answer, in seconds; 0 where it has none. */
const secondsToWait = response => Number(response.headers.get("Retry-After")) || 0;

export const readState = () => sendRequest("GET", "/api/state");
export const readMe = () => sendRequest("GET", "/api/me");
export const deleteMe = () => sendRequest("DELETE", "/api/me", undefined, { unsure: MAY_BE_DELETED });
export const logOut = () => sendRequest("POST", "/api/log-out");
export const whoAmI = (frame, signal) => sendRequest("POST", "/api/who-am-i", frame, { signal });

export const openSignUp = (fields, signal) => sendRequest("POST", "/api/sign-up", fields, { signal });
export const sendShot = (token, frame, signal) => sendRequest("POST", `/api/sign-up/${token}/shots`, frame, { signal });
export const finishSignUp = token =>
  sendRequest("POST", `/api/sign-up/${token}/finish`, undefined, { unsure: MAY_BE_KEPT });
// keepalive: also when the page is just being closed
export const forgetSignUp = token => sendRequest("DELETE", `/api/sign-up/${token}`, undefined, { keepalive: true });

export const openLogIn = (fields, signal) => sendRequest("POST", "/api/log-in", fields, { signal });
export const sendFrame = (nonce, frame, signal) => sendRequest("POST", `/api/log-in/${nonce}/frames`, frame, { signal });

export const passkeyCreation = name => sendRequest("POST", "/api/passkey/creation", { name });
export const passkeyRequest = () => sendRequest("POST", "/api/passkey/request");
