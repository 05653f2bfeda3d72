// "My data" as a readable list. Whatever the server stores is shown: a field without a name of its own goes by its key.

const NAMES = {
  name: "Name",
  created: "Signed up",
  last_login: "Last log-in",
  consent: "Consent",
  consent_version: "Consent to version",
  consent_time: "Consent given",
  findable: "May be found by “Who am I?”",
  templates: "Encrypted templates",
  embedder: "Made by the network",
  audit: "Log",
};

/** Fills a <dl> with all fields of an account. */
export function list(place, fields) {
  place.replaceChildren();
  for (const [key, value] of Object.entries(fields)) {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = NAMES[key] || key.replaceAll("_", " ");
    if (Array.isArray(value)) text.append(log(value));
    else text.textContent = words(value);
    place.append(term, text);
  }
}

function log(rows) {
  const lines = document.createElement("ul");
  for (const row of rows) {
    const line = document.createElement("li");
    line.textContent = words(row);
    lines.append(line);
  }
  return rows.length ? lines : "empty";
}

function words(value) {
  if (value === null || value === undefined) return "never";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (typeof value === "object") return Object.values(value).filter(part => part !== null).map(words).join(" · ");
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return new Date(value).toLocaleString();
  return String(value).replaceAll("_", " ");
}
