// The preview studio: what is looked at is in the address, what is shown is fetched, and a save shows by itself.

import { announce, listen, request, shortcuts, switchTheme, toast } from "./base.js";
import { MailFrame } from "./frame.js";
import { personPicker } from "./studio_people.js";
import { THEMES, address, readAddress } from "./studio_address.js";
import { failureOfThePage, hideFailure, showFailure } from "./studio_error.js";
import { clearFindings, showFindings } from "./studio_findings.js";
import { describeSending, sender } from "./studio_send.js";
import { neighbour, refreshPosts, searchPosts } from "./studio_posts.js";
import { fitRows } from "./studio_rows.js";

const $ = (id) => document.getElementById(id);
const PRESETS = { 1: 375, 2: 768, 3: 1024 };
const SMALLEST_SCALE = 0.8; // of a device that is chosen by itself; one that is asked for may be smaller

let state = readAddress();
let turn = 0;

const frame = new MailFrame({
  stage: $("stage"), device: $("device"), holder: $("frame-holder"), handle: $("handle"),
  onWidth: (width, done) => {
    frame.resize(width);
    if (done) go({ width: String(frame.width) }, { replace: true });
  },
});
frame.onFit = (width, scale) => {
  const shown = scale < 0.995 ? `${width} px at ${Math.round(scale * 100)} %` : `${width} px`;
  $("status-width").textContent = state.view === "mail" ? shown : "";
};

const path = (route, names) => address(route, state, names);

/** Look at something else: change the state, the address, and what is shown. */
function go(change, { replace = false } = {}) {
  const before = state;
  const elsewhere = ["key", "view", "part"].some((name) => name in change);
  state = { ...state, ...(elsewhere ? { part: "", line: "" } : {}), ...change };
  if (replace) history.replaceState(null, "", path("/posts"));
  else history.pushState(null, "", path("/posts"));
  update(before);
}

addEventListener("popstate", () => {
  const before = state;
  state = readAddress();
  update(before);
});

function update(before) {
  showControls();
  const differs = (...names) => names.some((name) => before[name] !== state[name]);
  if (differs("width") && state.view === "mail") frame.resize(chosenWidth());
  if (differs("key")) $("stage").scrollTop = 0;
  if (differs("key", "as", "theme", "images", "styles", "clip", "view", "part", "line")) {
    refresh({ findings: differs("key", "as"), quiet: true });
  }
}

function chosenWidth() {
  if (state.width) return Number(state.width);
  const room = ($("stage").clientWidth - 48) / SMALLEST_SCALE;
  return [1024, 768].find((width) => width <= room) ?? 375;
}

// ---- controls ----

function showControls() {
  const press = (selector, on) => document.querySelectorAll(selector).forEach((item) => item.setAttribute("aria-pressed", String(on(item))));
  document.querySelectorAll("[data-view]").forEach((link) => {
    if (link.dataset.view === state.view) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
  document.querySelectorAll(".toolbar [data-for]").forEach((item) => { item.hidden = !item.dataset.for.split(" ").includes(state.view); });
  press("[data-width]", (item) => Number(item.dataset.width) === chosenWidth());
  press("[data-theme-of-mail]", (item) => item.dataset.themeOfMail === state.theme);
  press("[data-toggle]", (item) => Boolean(state[item.dataset.toggle]));
  document.querySelectorAll("#post-list [data-key]").forEach((link) => {
    if (link.dataset.key === state.key) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  $("mail-view").hidden = state.view !== "mail" || !state.key;
  $("panel-view").hidden = state.view === "mail" || !state.key;
  $("device").dataset.theme = state.theme;
  $("download").href = path("/download", ["as"]);
  if (!state.as) $("person-name").textContent = "First subscriber";
  else if (state.as.startsWith("~")) $("person-name").textContent = document.querySelector(`[data-person="${CSS.escape(state.as)}"]`)?.dataset.name ?? state.as;
  else $("person-name").textContent = state.as;
}

const toggled = (name) => ({ [name]: state[name] ? "" : (name === "clip" ? "on" : "off") });

document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest?.(selector);
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  let item;
  if ((item = at("[data-view]")) && plain) { event.preventDefault(); go({ view: item.dataset.view }); }
  else if ((item = at("#post-list [data-key]")) && plain) { event.preventDefault(); openPost(item.dataset.key); }
  else if ((item = at("[data-width]"))) go({ width: item.dataset.width });
  else if ((item = at("[data-theme-of-mail]"))) go({ theme: item.dataset.themeOfMail });
  else if ((item = at("[data-toggle]"))) go(toggled(item.dataset.toggle));
  else if ((item = at("[data-part]"))) go({ part: item.dataset.part });
  else if ((item = at("[data-line]")) && plain) {
    event.preventDefault();
    openDrawer("findings", false);
    go({ view: "source", part: item.dataset.lineOf, line: item.dataset.line });
  }
  else if ((item = at("[data-copy]"))) copy(document.querySelector(item.dataset.copy).textContent);
  else if (at("#check-links")) findings({ links: true });
});

function openPost(key) {
  openDrawer("posts", false);
  go({ key });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied", "good");
  } catch {
    toast("The browser does not let this page copy; select the text instead", "bad");
  }
}

// ---- what is shown ----

/** Fetch and show what the state says; the findings come after the mail, never before. */
async function refresh({ findings: withFindings = true, quiet = false } = {}) {
  if (!state.key) return;
  const mine = ++turn;
  const summary = request(path("/summary", ["as"])).then((value) => ({ value }), (error) => ({ error }));
  const shown = state.view === "mail" ? showMail() : showPanel();
  const known = await summary;
  if (mine !== turn) return;
  if (known.error) {
    broken(known.error);
    return;
  }
  hideFailure();
  showSummary(known.value);
  try {
    await shown;
  } catch (error) {
    if (mine === turn) broken(error);
    return;
  }
  if (mine !== turn) return;
  document.documentElement.dataset.shown = String(mine);
  if (!quiet) announce("The preview shows what was saved");
  if (withFindings) findings();
}

function showMail() {
  frame.resize(chosenWidth());
  return frame.show(path("/mail", ["as", "theme", "images", "styles", "clip"]), "The mail as it will be sent");
}

async function showPanel() {
  const mine = turn;
  const holder = $("panel-view");
  const html = await request(path(`/panels/${state.view}`, ["as", "theme", "part"]));
  if (mine !== turn) return;
  const shows = [state.key, state.view, state.part, state.line].join(" ");
  const same = holder.dataset.shows === shows;
  const places = same ? [...holder.querySelectorAll("[tabindex='0']")].map((item) => [item.scrollLeft, item.scrollTop]) : [];
  holder.innerHTML = html;
  holder.dataset.shows = shows;
  fitRows(holder);
  holder.setAttribute("aria-label", document.querySelector(`[data-view="${state.view}"]`).textContent);
  holder.querySelectorAll("[tabindex='0']").forEach((item, at) => { if (places[at]) [item.scrollLeft, item.scrollTop] = places[at]; });
  const line = state.view === "source" && state.line ? $(`L${state.line}`) : null;
  line?.classList.add("wanted");
  if (!same) line?.scrollIntoView({ block: "center" });
}

function showSummary(summary) {
  $("no-posts")?.remove();
  $("mail-subject").textContent = summary.subject || "(no subject)";
  $("mail-sender").textContent = summary.sender;
  $("mail-to").textContent = summary.to;
  $("mail-initial").textContent = (summary.sender.replace(/["<]/g, "")[0] ?? "?").toUpperCase();
  $("status-path").textContent = summary.path;
  $("status-size").textContent = `HTML ${kb(summary.htmlSize)} of 102 KB`;
  $("status-time").textContent = `made in ${Math.max(1, Math.round(summary.seconds * 1000))} ms`;
  $("meter-bar").value = Math.min(100, summary.clipPercent);
  $("meter").dataset.level = summary.clipPercent >= 100 ? "error" : summary.clipPercent >= 88 ? "warning" : "good";
  document.title = `${summary.subject || "(no subject)"} – preview`;
  $("sent-note").hidden = !summary.sent;
  $("sent-words").textContent = summary.sent?.words ?? "";
  $("sent-changed").hidden = !summary.sent?.changed;
  describeSending(summary);
}

const kb = (bytes) => (bytes < 10240 ? (bytes / 1024).toFixed(1) : Math.round(bytes / 1024)) + " KB";

function broken(error) {
  showFailure(error);
  clearFindings();
}

function findings({ links = false } = {}) {
  const mine = turn;
  return showFindings(path("/findings", ["as"]), { links, current: () => mine === turn });
}

// ---- posts ----

async function followPosts() {
  const first = await refreshPosts(state.key);
  if (!state.key && first) openPost(first);
}

function step(by) {
  const link = neighbour(state.key, by);
  if (!link) return;
  openPost(link.dataset.key);
  link.scrollIntoView({ block: "nearest" });
}

// ---- drawers, where the page is narrow ----

function openDrawer(name, open) {
  $(name).classList.toggle("open", open);
  $(`open-${name}`).setAttribute("aria-expanded", String(open));
}
$("open-posts").addEventListener("click", () => openDrawer("posts", !$("posts").classList.contains("open")));
$("open-findings").addEventListener("click", () => openDrawer("findings", !$("findings").classList.contains("open")));
$("close-findings").addEventListener("click", () => { openDrawer("findings", false); $("open-findings").focus(); });
$("stage").addEventListener("pointerdown", () => { openDrawer("posts", false); openDrawer("findings", false); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { openDrawer("posts", false); openDrawer("findings", false); }
});

// ---- keys ----

const askToSend = sender({ where: () => path("/send", []), person: () => state.as });
const picker = personPicker((key, label) => {
  go({ as: key });
  announce(`Viewing as ${label}`);
});
const focusFindings = () => {
  openDrawer("findings", true);
  $("findings").querySelector("button:not(.only-medium), a, summary")?.focus();
};
shortcuts([
  { keys: "j", label: "Next post", run: () => step(1) },
  { keys: "k", label: "Previous post", run: () => step(-1) },
  { keys: "/", label: "Search posts", run: () => { openDrawer("posts", true); searchPosts(); } },
  { keys: "v", label: "View as …", run: () => picker.open() },
  { keys: "m", label: "Mail", run: () => go({ view: "mail" }) },
  { keys: "b", label: "Inbox rows", run: () => go({ view: "inbox" }) },
  { keys: "t", label: "Plain text", run: () => go({ view: "text" }) },
  { keys: "s", label: "Source", run: () => go({ view: "source" }) },
  { keys: "h", label: "Headers", run: () => go({ view: "headers" }) },
  { keys: "l", label: "Clients", run: () => go({ view: "clients" }) },
  { keys: "1 2 3", label: "Phone, tablet, desktop", run: (event) => go({ view: "mail", width: String(PRESETS[event.key]) }) },
  { keys: "d", label: "Next colours: dark, inverted …", run: () => go({ theme: THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length] }) },
  { keys: "i", label: "Images on or off", run: () => go({ view: "mail", ...toggled("images") }) },
  { keys: "n", label: "Without style", run: () => go({ view: "mail", ...toggled("styles") }) },
  { keys: "c", label: "Clipped as Gmail does", run: () => go({ view: "mail", ...toggled("clip") }) },
  { keys: "f", label: "Findings", run: focusFindings },
  { keys: "e", label: "Download .eml", run: () => $("download").click() },
  { keys: "x", label: "Send me this", run: askToSend },
  { keys: "T", label: "Theme of this page", run: switchTheme },
]);

// ---- live ----

listen("/events", {
  hello: () => refresh({ quiet: true }), // a save may have come after the page was written
  changed: () => refresh().then(followPosts),
  lost: () => { $("live").dataset.state = "off"; $("live-text").textContent = "not connected: is the command running?"; },
  found: () => { $("live").dataset.state = "on"; $("live-text").textContent = "live"; refresh().then(followPosts); },
});

showControls();
if (failureOfThePage()) {
  clearFindings();
  $("mail-view").hidden = $("panel-view").hidden = true;
}
