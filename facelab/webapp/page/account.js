// "My data" as a readable list. Whatever the server stores is shown: a field without a name of its own goes by its key.

const NAMES = {
  name: "Name",
  created: "Signed up",
  last_login: "Last log-in",
  consent: "Consent",
  findable: "May be found by “Who am I?”",
  templates: "Encrypted templates",
  embedder: "Made by the network",
  audit: "Log",
};

/** Fills a <dl> with all fields of an account. */
export function fillAccountList(place, fields) {
  place.replaceChildren();
  for (const [key, value] of Object.entries(fields)) {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = NAMES[key] || key.replaceAll("_", " ");
    if (Array.isArray(value)) text.append(logList(value));
    else text.textContent = isObject(value) ? formatFields(value) : formatValue(value);
    place.append(term, text);
  }
}

function logList(rows) {
  const lines = document.createElement("ul");
  for (const row of rows) {
    const line = document.createElement("li");
    line.textContent = isObject(row) ? Object.values(row).map(formatValue).join(" · ") : formatValue(row);
    lines.append(line);
  }
  return rows.length ? lines : "empty";
}

const isObject = value => typeof value === "object" && value !== null;
const formatFields = fields => Object.entries(fields).map(([key, value]) => `${key} ${formatValue(value)}`).join(", ");

function formatValue(value) {
  if (value === null || value === undefined) return "never";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return new Date(value).toLocaleString();
  return String(value).replaceAll("_", " ");
}
