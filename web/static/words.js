// What every script of a page shares: its words (translated by the server), money, the server's clock, and the API.

const block = (id) => JSON.parse(document.getElementById(id)?.textContent || "{}");
export const words = { ...block("words"), ...block("room-words") };
// A word with its {places} filled; a group of words comes back as it is.
export const say = (key, values = {}) => typeof words[key] === "object" ? words[key] :
  (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

const language = document.documentElement.lang || "en";

export function money({ amount, currency }) {
  const format = new Intl.NumberFormat(language, { style: "currency", currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits).replace("CN¥", "¥");
}

export const short = (n) => n === null ? "\u2013" : new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 }).format(n);

// Countdowns follow the server's clock, however wrong the reader's is.
const skew = Date.parse(document.body.dataset.now) - Date.now() || 0;
export const now = () => Date.now() + skew;

export function countdown(element, until, write, over) {
  const end = Date.parse(until);
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - now()) / 1000));
    if (!element.isConnected) return;
    if (left === 0) { over(); return; }
    const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    write(text);
    setTimeout(tick, 1000 - ((now() - end) % 1000 + 1000) % 1000 || 1000);
  };
  tick();
}

// randomUUID exists on secure origins only; a demo on another machine of the network is not one.
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const csrf = document.querySelector("meta[name=csrf-token]")?.content || "";

export async function api(method, path, body) {
  const headers = { Accept: "application/json", "X-CSRF-Token": csrf };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method === "POST") headers["Idempotency-Key"] = newKey();
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const data = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw Object.assign(new Error(data?.detail || say("failed")), { status: answer.status, problem: data });
  return data;
}

// Loads the page again without anybody asking for it: the cookie says so, and nobody is counted as active by it.
export function again() {
  document.cookie = "offshelf_again=1; max-age=5; path=/; samesite=lax";
  location.reload();
}

export function bar(text, passing = false) {
  const element = document.getElementById("connection");
  element.textContent = text;
  element.hidden = !text;
  if (text && passing) setTimeout(() => { if (element.textContent === text) element.hidden = true; }, 3000);
}
