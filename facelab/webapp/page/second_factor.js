// The second factor beside the face: the passphrase of a form, or a passkey, which the browser makes and uses (WebAuthn).

import * as api from "/page/api.js";

const PROBLEMS = {
  NotAllowedError: "No passkey was given, or it took too long. Try again.",
  ConstraintError: "This needs a device that asks for your finger, your face or a PIN. Use another one.",
  SecurityError: "Passkeys do not work at this address. Open the page by the name that the service printed at its start.",
};

class PasskeyProblem extends Error {}

/** Shows what belongs to a kind of second factor, and nothing of the others; hidden fields are not asked for. */
export function showFactor(kind) {
  for (const part of document.querySelectorAll("[data-factor]")) {
    part.hidden = part.dataset.factor !== kind;
    for (const field of part.querySelectorAll("input")) field.disabled = part.hidden;
  }
}

/** What a sign-up carries besides its other fields. To be called in a click: some browsers make a passkey only then. */
export async function newProof(kind, form) {
  if (kind === "passphrase") return { passphrase: form.passphrase.value };
  if (kind !== "passkey") return {};
  const asked = (await api.passkeyCreation(form.name.value)).public_key;
  const publicKey = { ...asked, challenge: toBytes(asked.challenge), user: { ...asked.user, id: toBytes(asked.user.id) } };
  return { passkey: await askBrowser("create", publicKey, ["clientDataJSON", "attestationObject"]) };
}

/** What a log-in carries besides the name. */
export async function proof(kind, form) {
  if (kind === "passphrase") return { passphrase: form.passphrase.value };
  if (kind !== "passkey") return {};
  const asked = (await api.passkeyRequest()).public_key;
  const publicKey = { ...asked, challenge: toBytes(asked.challenge) };
  return { passkey: await askBrowser("get", publicKey, ["clientDataJSON", "authenticatorData", "signature", "userHandle"]) };
}

/** The browser's answer as JSON: its bytes as base64url. */
async function askBrowser(what, publicKey, parts) {
  if (!window.PublicKeyCredential) throw new PasskeyProblem("This browser has no passkeys. Use another one.");
  let made;
  try {
    made = await navigator.credentials[what]({ publicKey });
  } catch (problem) {
    throw new PasskeyProblem(PROBLEMS[problem.name] || `The passkey does not work (${problem.name}). Try again.`);
  }
  const response = Object.fromEntries(parts.filter(part => made.response[part]).map(part => [part, toText(made.response[part])]));
  return { id: made.id, rawId: toText(made.rawId), type: made.type, response };
}

const toBytes = text => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), letter => letter.charCodeAt(0));

function toText(buffer) {
  const letters = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// "Show it": a passphrase that is shown is typed with fewer mistakes
for (const tick of document.querySelectorAll("[data-shows]")) {
  const field = document.getElementById(tick.dataset.shows);
  const show = () => { field.type = tick.checked ? "text" : "password"; };
  tick.addEventListener("change", show);
  tick.form.addEventListener("reset", () => setTimeout(show)); // after the tick itself is taken back
}
