// The server's answers. Every refusal becomes one kind of error, with a sentence that can be shown.

export class ApiError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function sendRequest(method, path, body, options = {}) {
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
    throw new ApiError("offline", "The server does not answer. Start it again with “facelab app”, then reload this page.");
  }
  const answer = await response.json().catch(() => ({})); // 204 has no body
  if (!response.ok) throw new ApiError(answer.error || "error", answer.message || "The server could not do this.");
  return answer;
}

export const readState = () => sendRequest("GET", "/api/state");
export const readMe = () => sendRequest("GET", "/api/me");
export const deleteMe = () => sendRequest("DELETE", "/api/me");
export const logOut = () => sendRequest("POST", "/api/log-out");
export const whoAmI = (frame, signal) => sendRequest("POST", "/api/who-am-i", frame, { signal });

export const openSignUp = (fields, signal) => sendRequest("POST", "/api/sign-up", fields, { signal });
export const sendShot = (token, frame, signal) => sendRequest("POST", `/api/sign-up/${token}/shots`, frame, { signal });
export const finishSignUp = token => sendRequest("POST", `/api/sign-up/${token}/finish`);
// keepalive: also when the page is just being closed
export const forgetSignUp = token => sendRequest("DELETE", `/api/sign-up/${token}`, undefined, { keepalive: true });

export const openLogIn = (name, signal) => sendRequest("POST", "/api/log-in", { name }, { signal });
export const sendFrame = (nonce, frame, signal) => sendRequest("POST", `/api/log-in/${nonce}/frames`, frame, { signal });
