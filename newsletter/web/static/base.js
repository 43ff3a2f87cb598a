// What every local page shares: requests with the session's token, server-sent events, shortcuts, dialogs, toasts, theme.

const token = document.querySelector('meta[name="newsletter-token"]')?.content ?? "";

/** Ask the server; a change (any method but GET) carries the token. Throws an Error with the server's own words. */
export async function request(url, { method = "GET", json, signal } = {}) {
  const headers = { Accept: "application/json, text/html;q=0.9" };
  if (method !== "GET") headers["X-Newsletter-Token"] = token;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url, { method, headers, signal, body: json === undefined ? undefined : JSON.stringify(json) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer; is the command still running?");
  }
  const type = response.headers.get("Content-Type") ?? "";
  const body = type.includes("json") ? await response.json() : await response.text();
  if (!response.ok) {
    const error = new Error(body?.error ?? (typeof body === "string" && body.trim()) ?? response.statusText);
    Object.assign(error, { status: response.status, body });
    throw error;
  }
  return body;
}

/** Listen to server-sent events: `handlers` by event name, plus `lost` and `found` for the connection itself. */
export function listen(url, handlers) {
  const source = new EventSource(url);
  let lost = false;
  for (const [name, handle] of Object.entries(handlers)) {
    if (name === "lost" || name === "found") continue;
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  source.addEventListener("open", () => {
    if (lost) handlers.found?.();
    lost = false;
  });
  source.addEventListener("error", () => {
    if (!lost) handlers.lost?.();
    lost = true;
  });
  addEventListener("pagehide", () => source.close());
  return source;
}

/** Say something to a screen reader alone. */
export function announce(text) {
  const place = document.getElementById("announcer");
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = text; });
}

/** Show a short message in the corner; `kind` is "info", "good" or "bad". A bad one stays until it is closed. */
export function toast(text, kind = "info") {
  const place = document.getElementById("toasts");
  const item = document.createElement("div");
  item.className = `toast ${kind}`;
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "toast-close";
  close.setAttribute("aria-label", "Dismiss");
  close.textContent = "×";
  close.addEventListener("click", () => item.remove());
  item.append(words, close);
  place.append(item);
  if (kind !== "bad") setTimeout(() => item.remove(), 5000);
  return item;
}

const isTyping = (target) => target instanceof Element
  && (target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null);

/**
 * Bind single keys: `[{ keys: "j", label: "Next post", run }]`; an entry without `run` is only listed.
 * `?` lists them all. Keys are left alone while typing, with Ctrl, Alt or Meta held, and while a dialog is open.
 */
export function shortcuts(entries) {
  const dialog = document.getElementById("shortcuts");
  const list = document.getElementById("shortcut-list");
  const all = [...entries, { keys: "?", label: "This list", run: () => openDialog(dialog) }];
  for (const { keys, label } of all) {
    if (!label) continue;
    const term = document.createElement("dt");
    for (const key of keys.split(" ")) {
      const kbd = document.createElement("kbd");
      kbd.textContent = key;
      term.append(kbd);
    }
    const meaning = document.createElement("dd");
    meaning.textContent = label;
    const row = document.createElement("div");
    row.append(term, meaning);
    list.append(row);
  }
  const byKey = new Map(all.flatMap((entry) => entry.run ? entry.keys.split(" ").map((key) => [key, entry.run]) : []));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const run = byKey.get(event.key);
    if (!run) return;
    event.preventDefault();
    run(event);
  });
}

/** Open a dialog; Escape, its close buttons and a click beside it close it, and the focus returns. */
export function openDialog(dialog) {
  const before = document.activeElement;
  dialog.showModal();
  dialog.addEventListener("close", () => before instanceof HTMLElement && before.focus(), { once: true });
}

document.addEventListener("click", (event) => {
  const close = event.target.closest?.("[data-close]");
  if (close) close.closest("dialog")?.close();
  else if (event.target instanceof HTMLDialogElement) {
    const box = event.target.getBoundingClientRect();
    const beside = event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
    if (beside && event.detail > 0) event.target.close();
  }
  const opener = event.target.closest?.("[data-dialog]");
  if (opener) openDialog(document.getElementById(opener.dataset.dialog));
  if (event.target.closest?.("[data-theme-switch]")) switchTheme();
});

/** The page's theme: system, light, dark, and round again. */
export function switchTheme() {
  const order = ["system", "light", "dark"];
  const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem("newsletter.theme", next); } catch { /* storage is off */ }
  announce(`Theme: ${next}`);
  return next;
}
