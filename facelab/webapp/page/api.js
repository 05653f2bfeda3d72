// The server's answers. Every refusal becomes one kind of error, with a sentence that can be shown.

export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function ask(method, path, body, options = {}) {
  const headers = {};
  if (method !== "GET") headers["X-FaceID"] = "1"; // another site cannot send this header, so it cannot act for the user
  if (body instanceof Blob) headers["Content-Type"] = body.type;
  else if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, { method, headers, body, cache: "no-store", ...options });
  } catch (problem) {
    if (problem.name === "AbortError" || options.signal?.aborted) throw options.signal.reason;
    throw new Refused("offline", "The server does not answer. Start it again with “facelab app”, then reload this page.");
  }
  const answer = await response.json().catch(() => ({})); // 204 has no body
  if (!response.ok) throw new Refused(answer.error || "error", answer.message || "The server could not do this.");
  return answer;
}

export const readState = () => ask("GET", "/api/state");
export const readMe = () => ask("GET", "/api/me");
export const deleteMe = () => ask("DELETE", "/api/me");
export const logOut = () => ask("POST", "/api/log-out");
export const whoAmI = (frame, signal) => ask("POST", "/api/who-am-i", frame, { signal });

export const openSignUp = (wishes, signal) => ask("POST", "/api/sign-up", wishes, { signal });
export const sendShot = (token, frame, signal) => ask("POST", `/api/sign-up/${token}/shots`, frame, { signal });
export const finishSignUp = token => ask("POST", `/api/sign-up/${token}/finish`);
// keepalive: also when the page is just being closed
export const forgetSignUp = token => ask("DELETE", `/api/sign-up/${token}`, undefined, { keepalive: true });

export const openLogIn = (name, signal) => ask("POST", "/api/log-in", { name }, { signal });
export const sendFrame = (nonce, frame, signal) => ask("POST", `/api/log-in/${nonce}/frames`, frame, { signal });
