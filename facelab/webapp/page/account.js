// "My data" as a readable list. Whatever the server stores is shown: a field without a name of its own goes by its key.

const NAMES = {
  name: "Name",
  created: "Signed up",
  last_login: "Last log-in",
  consent: "Consent: edition, time",
  second_factor: "Second factor",
  findable: "May be found by “Who am I?”",
  templates: "Encrypted templates",
  remembered_visits: "Visits of which check values are kept",
  embedder: "Made by the network",
  audit: "Log",
  consent_text: "What you agreed to",
};

// the log's rows by event and outcome; others go by their keys
const EVENTS = {
  "sign_up ok": "You signed up",
  "log_in ok": "You logged in",
  "log_in refused": "A log-in with your name was refused",
  "log_in looked_like_a_recording": "A log-in with your name was refused: it looked like a recording of an earlier visit",
  "log_out ok": "You logged out",
  "who_am_i found": "“Who am I?” found you",
  "open_template damaged": "Your template could not be opened: it was changed in the database",
  "open_factor damaged": "Your second factor could not be opened: it was changed in the database",
  "open_seen_frames damaged": "Check values of a visit could not be opened: they were changed in the database",
};

/** Fills a <dl> with all fields of an account. */
export function fillAccountList(place, fields) {
  place.replaceChildren();
  for (const [key, value] of Object.entries(fields)) {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = NAMES[key] || key.replaceAll("_", " ");
    if (key === "consent_text") text.textContent = value ?? "Only its version was kept at that time.";
    else if (Array.isArray(value)) text.append(logList(value));
    else text.textContent = isObject(value) ? Object.values(value).map(formatValue).join(", ") : formatValue(value);
    place.append(term, text);
  }
}

function logList(rows) {
  const lines = document.createElement("ul");
  lines.tabIndex = 0; // it scrolls, also for those who have no mouse
  lines.setAttribute("aria-label", "Log, newest first");
  for (const { time, event, outcome } of rows) {
    const line = document.createElement("li");
    line.textContent = `${formatValue(time)}: ${EVENTS[`${event} ${outcome}`] || formatValue(`${event} ${outcome}`)}`;
    lines.append(line);
  }
  return rows.length ? lines : "empty";
}

const isObject = value => typeof value === "object" && value !== null;

function formatValue(value) {
  if (value === null || value === undefined) return "never";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return new Date(value).toLocaleString();
  return String(value).replaceAll("_", " ");
}
