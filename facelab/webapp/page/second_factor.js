// The second factor beside the face: the passphrase of a form, or a passkey, which the browser makes and uses (WebAuthn).

import * as api from "/page/api.js";

const PROBLEMS = {
  NotAllowedError: "No passkey was given, or it took too long. Try again.",
  ConstraintError: "This needs a device that asks for your finger, your face or a PIN. Use another one.",
  SecurityError: "Passkeys do not work at this address. Open the page by the name that the service printed at its start.",
};

// of a passkey that was made, the first two; of one that was used, all but the second
const ANSWER_PARTS = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];

class PasskeyProblem extends Error {}

/** Shows what belongs to a kind of second factor, and nothing of the others; hidden fields are not asked for. */
export function showFactor(kind) {
  for (const part of document.querySelectorAll("[data-factor]")) {
    part.hidden = part.dataset.factor !== kind;
    for (const field of part.querySelectorAll("input")) field.disabled = part.hidden;
  }
}

/**
 * What a form carries besides its other fields; for a sign-up the browser makes a new passkey. To be called in a click: some
 * browsers make one only then.
 */
export async function giveProof(kind, form, isNew = false) {
  if (kind === "passphrase") return { passphrase: form.passphrase.value };
  if (kind !== "passkey") return {};
  const asked = (await (isNew ? api.passkeyCreation(form.name.value) : api.passkeyRequest())).public_key;
  const publicKey = { ...asked, challenge: toBytes(asked.challenge) };
  if (isNew) publicKey.user = { ...asked.user, id: toBytes(asked.user.id) };
  return { passkey: await askBrowser(isNew ? "create" : "get", publicKey) };
}

/** The browser's answer as JSON: its bytes as base64url. */
async function askBrowser(what, publicKey) {
  if (!window.PublicKeyCredential) throw new PasskeyProblem("This browser has no passkeys. Use another one.");
  let made;
  try {
    made = await navigator.credentials[what]({ publicKey });
  } catch (problem) {
    throw new PasskeyProblem(PROBLEMS[problem.name] || `The passkey does not work (${problem.name}). Try again.`);
  }
  const given = ANSWER_PARTS.filter(part => made.response[part]);
  const response = Object.fromEntries(given.map(part => [part, toText(made.response[part])]));
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
