// The test inbox's page: new mail by itself, the list and the message by keyboard, changes through the API.

import { announce, listen, openDialog, request, shortcuts, switchTheme, toast } from "./base.js";
import { ask, askAboutTag, askToRelease, notify } from "./inbox_actions.js";
import { dressFrame } from "./inbox_frame.js";

const api = "/api/v1";
const layout = document.getElementById("layout");
const list = document.getElementById("list");
const pane = document.getElementById("message");
const rail = document.getElementById("rail");
const search = document.getElementById("search");

const say = (error) => toast(error.message, "bad");
const message = () => pane.querySelector(".message");
const openId = () => message()?.dataset.id ?? "";
const rows = () => [...list.querySelectorAll(".row")];
const rowOf = (id) => list.querySelector(`.row[data-id="${CSS.escape(id)}"]`);
const query = () => new URLSearchParams(location.search).get("q") ?? "";

// Places: the address bar names the search, the page, the message and its view.

let asked = 0;

async function show(url, { push = true, focus = false } = {}) {
  const target = new URL(url, location.href);
  const turn = ++asked;
  const match = target.pathname.match(/^\/message\/(\d+)$/);
  const here = new URLSearchParams(location.search);
  const sameList = (here.get("q") ?? "") === (target.searchParams.get("q") ?? "") && (here.get("page") ?? "1") === (target.searchParams.get("page") ?? "1");
  try {
    if (match) {
      const html = await request(`${target.pathname}/pane${target.search}`);
      if (turn !== asked) return;
      pane.innerHTML = html;
    }
  } catch (error) {
    if (error.status === 404) { toast("That message is gone."); refresh(); } else say(error);
    return;
  }
  if (push && target.href !== location.href) history.pushState(null, "", target);
  if (!match) pane.innerHTML = "";
  layout.dataset.open = match?.[1] ?? "";
  search.value = target.searchParams.get("q") ?? "";
  rail.classList.remove("open");
  mark(match?.[1] ?? "");
  if (match) settle({ focus });
  if (!sameList || !match) await refresh();
  else if (match) soon();
}

/** Make a message that has just come into the page work. */
function settle({ focus = false } = {}) {
  const open = message();
  if (!open) return;
  const row = rowOf(open.dataset.id);
  row?.classList.toggle("unread", open.dataset.unread === "true");
  row?.scrollIntoView({ block: "nearest" });
  if ("opened" in open.dataset) request(`${api}/messages/${open.dataset.id}/read`, { method: "PUT", json: { read: true } }).catch(say);
  document.getElementById("wanted")?.scrollIntoView({ block: "center" });
  document.title = `${pane.querySelector("h1").textContent} · Test inbox`;
  dressFrame(open);
  countFindings(open);
  if (focus) pane.focus();
  announce(`Opened: ${pane.querySelector("h1").textContent}`);
}

function mark(id) {
  for (const link of list.querySelectorAll(".row a")) {
    if (id && link.parentElement.dataset.id === id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

async function countFindings(open) {
  const badge = open.querySelector("#finding-count");
  try {
    const found = await request(`${api}/messages/${open.dataset.id}/findings`);
    const worst = ["error", "warning", "info"].find((kind) => found.some((one) => one.severity === kind));
    badge.textContent = String(found.filter((one) => one.severity !== "info").length || "");
    badge.hidden = !badge.textContent;
    if (worst) badge.classList.add(worst);
  } catch { badge.hidden = true; }
}

// The list follows what happens elsewhere; many changes at once ask once.

let waiting = 0;
let refreshing = Promise.resolve();

function soon() {
  if (!waiting) waiting = setTimeout(() => { waiting = 0; refreshing = refreshing.then(refresh); }, 120);
}

async function refresh() {
  const values = new URLSearchParams(location.search);
  if (openId()) values.set("open", openId());
  let fresh;
  try { fresh = await request(`/list?${values}`); } catch (error) { return void (error.status && say(error)); }
  const focused = document.activeElement?.closest?.(".row")?.dataset.id;
  const tool = list.contains(document.activeElement) ? document.activeElement.id : "";
  const top = list.scrollTop;
  list.innerHTML = fresh.list;
  rail.innerHTML = fresh.nav;
  list.scrollTop = top;
  if (focused) (rowOf(focused) ?? rows()[0])?.querySelector("a").focus({ preventScroll: true });
  else if (tool) document.getElementById(tool)?.focus();
  if (openId()) return;
  document.title = `${fresh.unread ? `(${fresh.unread}) ` : ""}Test inbox`;
  if (pane.innerHTML !== fresh.none) pane.innerHTML = fresh.none;
}

listen(`${api}/events`, {
  new: ({ ids }) => { announce(ids.length === 1 ? "A new message" : `${ids.length} new messages`); soon(); notify(ids).catch(() => {}); },
  changed: soon,
  deleted: ({ ids }) => { if (ids.includes(Number(openId()))) leave(); soon(); },
  reset: soon,
  hello: soon, // something may have happened since the page was written, or the connection lost
  found: () => document.getElementById("live")?.classList.remove("lost"),
  lost: () => document.getElementById("live")?.classList.add("lost"),
});

function leave() {
  const target = new URL("/", location.href);
  target.search = location.search;
  target.searchParams.delete("view");
  show(target.href);
}

// What people do

const current = () => openId() || document.activeElement?.closest?.(".row")?.dataset.id || "";

function step(by) {
  const all = rows();
  const id = current();
  const at = all.findIndex((row) => row.dataset.id === id);
  if (openId()) {
    if (at >= 0 && all[at + by]) return void show(keepView(all[at + by].querySelector("a").href));
    const link = document.getElementById(by > 0 ? "older" : "newer");
    return void (link?.href && show(keepView(link.href)));
  }
  const next = all[Math.min(all.length - 1, Math.max(0, at + by))] ?? all[0];
  if (at >= 0 && !all[at + by]) return void document.getElementById(by > 0 ? "page-older" : "page-newer")?.click();
  next?.querySelector("a").focus();
}

function keepView(url) {
  const target = new URL(url, location.href);
  const view = new URLSearchParams(location.search).get("view");
  if (view) target.searchParams.set("view", view);
  return target.href;
}

async function toggleRead() {
  const id = current();
  if (!id) return;
  const unread = openId() ? message().dataset.unread === "true" : rowOf(id)?.classList.contains("unread");
  try {
    await request(`${api}/messages/${id}/read`, { method: "PUT", json: { read: unread } });
  } catch (error) { return say(error); }
  announce(unread ? "Marked as read" : "Marked as unread");
  if (openId()) await reopen();
}

/** Show the open message anew without marking it as read. */
async function reopen() {
  const values = new URLSearchParams(location.search);
  values.set("keep", "unread");
  const held = document.activeElement?.id;
  try { pane.innerHTML = await request(`/message/${openId()}/pane?${values}`); } catch (error) { return say(error); }
  settle();
  if (held) document.getElementById(held)?.focus();
}

async function remove() {
  const id = current();
  if (!id) return;
  const row = rowOf(id);
  const next = row?.nextElementSibling ?? row?.previousElementSibling;
  const wasOpen = Boolean(openId());
  const following = next?.querySelector("a").href ?? document.getElementById("older")?.href;
  asked += 1;
  try {
    await request(`${api}/messages/${id}`, { method: "DELETE" });
  } catch (error) { return say(error); }
  announce("Deleted");
  row?.remove();
  if (wasOpen) pane.innerHTML = "";
  if (wasOpen) await (following ? show(keepView(following)) : leave());
  else next?.querySelector("a").focus();
}

async function setTags(tags) {
  try {
    await request(`${api}/messages/${openId()}/tags`, { method: "PUT", json: { tags } });
  } catch (error) { return say(error); }
  await reopen();
  document.getElementById("new-tag")?.focus();
}

const tagsNow = () => [...pane.querySelectorAll("[data-untag]")].map((button) => button.dataset.untag);

function askToDelete(button) {
  const dialog = document.getElementById("clear");
  const found = query();
  document.getElementById("clear-text").textContent = found
    ? `Delete all ${button.dataset.total} messages that match “${found}”? They can't be brought back.`
    : `Delete all ${button.dataset.total} messages? They can't be brought back.`;
  openDialog(dialog);
}

document.getElementById("clear-confirm").addEventListener("click", async () => {
  document.getElementById("clear").close();
  try {
    const { deleted } = await request(`${api}/messages?${new URLSearchParams({ q: query() })}`, { method: "DELETE" });
    toast(`${deleted.toLocaleString()} deleted`, "good");
  } catch (error) { return say(error); }
  if (query()) leave();
  else location.assign("/");
});

document.addEventListener("click", async (event) => {
  const target = event.target.closest?.("a, button");
  if (!target) return;
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (target.matches("a[href]:not([download])") && plain) {
    const url = new URL(target.href);
    if (url.origin === location.origin && (url.pathname === "/" || /^\/message\/\d+$/.test(url.pathname))) {
      event.preventDefault();
      show(target.closest(".row") ? keepView(url.href) : url.href, { focus: Boolean(target.closest(".row")) && event.detail === 0 });
    }
    return;
  }
  if (target.id === "rail-switch") target.setAttribute("aria-expanded", String(rail.classList.toggle("open")));
  else if (target.id === "toggle-read") toggleRead();
  else if (target.id === "delete") remove();
  else if (target.id === "delete-all") askToDelete(target);
  else if (target.id === "read-all") request(`${api}/messages/read`, { method: "POST", json: { q: query(), read: true } }).then(soon, say);
  else if (target.id === "release-open") askToRelease(openId());
  else if (target.dataset.ask) ask(target, openId());
  else if (target.dataset.editTag) askAboutTag(target.dataset.editTag);
  else if (target.dataset.untag) setTags(tagsNow().filter((tag) => tag !== target.dataset.untag));
  else if (target.dataset.copy) {
    await navigator.clipboard.writeText(target.dataset.copy).then(() => toast("Address copied", "good"), () => toast("The browser does not let us copy."));
  }
});

document.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.target.id === "tag-form") {
    const tag = event.target.elements.tag.value.trim();
    if (tag) setTags([...tagsNow(), tag]);
  } else if (event.target.matches(".search")) {
    show(`/?${new URLSearchParams(search.value.trim() ? { q: search.value.trim() } : {})}`);
  }
});

search.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.preventDefault();
  if (search.value) { search.value = ""; search.form.requestSubmit(); }
  search.blur();
});

addEventListener("popstate", () => show(location.href, { push: false }));

const view = (number) => () => {
  const link = pane.querySelectorAll(".view-bar a")[number - 1];
  if (link) show(link.href);
};

shortcuts([
  { keys: "j", label: "Next (older) message", run: () => step(1) },
  { keys: "k", label: "Previous (newer) message", run: () => step(-1) },
  { keys: "Enter", label: "Open the message" },
  { keys: "r", label: "Mark as read or unread", run: toggleRead },
  { keys: "#", label: "Delete the message", run: remove },
  { keys: "/", label: "Search", run: () => search.select() },
  { keys: "u", label: "Back to the list", run: () => openId() && leave() },
  { keys: "t", label: "Add a tag", run: () => document.getElementById("new-tag")?.focus() },
  { keys: "d", label: "Download the message", run: () => document.getElementById("download")?.click() },
  { keys: "T", label: "Theme of this page", run: switchTheme },
  { keys: "1…6", label: "The views, from left to right" },
  ...[1, 2, 3, 4, 5, 6].map((number) => ({ keys: String(number), run: view(number) })),
]);

settle();
