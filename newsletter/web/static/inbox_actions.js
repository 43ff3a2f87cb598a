// What is ordered about a message or a tag: release, the links' and the spam filter's answers, names of tags, and word of
// new mail while the page is not looked at.

import { openDialog, request, toast } from "./base.js";

const api = "/api/v1";
const dialog = (name) => document.getElementById(name);

// Release: asked for addresses first, then whether it is really to go.

const release = dialog("release");
let asked = null;

export function askToRelease(id) {
  asked = { id, confirm: "" };
  release.querySelector("form").hidden = false;
  dialog("release-question").hidden = true;
  dialog("release-error").textContent = "";
  openDialog(release);
  dialog("release-to").select();
}

async function order(to) {
  try {
    return await request(`/message/${asked.id}/release`, { method: "POST", json: { to, confirm: asked.confirm } });
  } catch (error) { dialog("release-error").textContent = error.message; return null; }
}

release.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  event.stopPropagation();
  const to = dialog("release-to").value.split(/[\s,;]+/).filter(Boolean);
  const answer = await order(to);
  if (!answer) return;
  asked = { ...asked, to: answer.to, confirm: answer.confirm };
  dialog("release-error").textContent = "";
  dialog("release-text").textContent = answer.question;
  release.querySelector("form").hidden = true;
  dialog("release-question").hidden = false;
  release.querySelector("#release-question [data-close]").focus();
});

dialog("release-confirm").addEventListener("click", async (event) => {
  event.target.disabled = true;
  const answer = await order(asked.to);
  event.target.disabled = false;
  if (!answer) return;
  release.close();
  const refused = answer.released.filter((one) => !one.sent);
  if (refused.length) toast(refused.map((one) => `${one.email}: ${one.reply}`).join("; "), "bad");
  else toast(`Sent to ${answer.released.map((one) => one.email).join(", ")}`, "good");
});

// Findings that others are asked for

const element = (name, { text = "", kind = "" } = {}) => Object.assign(document.createElement(name), { textContent: text, className: kind });

function findingItem(one) {
  const item = element("li", { kind: `finding ${one.severity}` });
  const head = element("p");
  head.append(element("span", { text: one.severity, kind: `badge ${one.severity}` }), " ", element("code", { text: one.rule }));
  item.append(head, element("p", { text: one.message, kind: "said" }));
  if (one.hint) item.append(element("p", { text: one.hint, kind: "soft" }));
  return item;
}

export async function ask(button, id) {
  const what = button.dataset.ask;
  button.disabled = true;
  const into = dialog(`asked-${what}`);
  into.replaceChildren(element("li", { text: "Asking…", kind: "finding soft" }));
  try {
    const found = await request(`${api}/messages/${id}/${what}`, { method: "POST" });
    into.replaceChildren(...found.map(findingItem));
    if (!found.length) into.append(element("li", { text: what === "links" ? "Every link and picture answers." : "No rule of the filter has anything to say.", kind: "finding soft" }));
  } catch (error) { into.replaceChildren(); toast(error.message, "bad"); }
  button.disabled = false;
}

// Tags

const renaming = dialog("tag-edit");

export function askAboutTag(tag) {
  renaming.dataset.tag = tag;
  dialog("tag-name").value = tag;
  openDialog(renaming);
  dialog("tag-name").select();
}

async function changeTag(options, then) {
  try {
    await request(`${api}/tags/${encodeURIComponent(renaming.dataset.tag)}`, options);
  } catch (error) { return toast(error.message, "bad"); }
  renaming.close();
  location.assign(then);
}

renaming.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  event.stopPropagation();
  const name = dialog("tag-name").value.trim();
  if (name) changeTag({ method: "PUT", json: { name } }, `/?${new URLSearchParams({ q: `tag:"${name}"` })}`);
});
dialog("tag-remove").addEventListener("click", () => changeTag({ method: "DELETE" }, "/"));

// Word of new mail, while the page is out of sight

const bell = dialog("notify");
const wanted = () => localStorage.getItem("newsletter-notify") === "on" && Notification.permission === "granted";
const showBell = () => bell.setAttribute("aria-pressed", String(wanted()));

if ("Notification" in window) {
  bell.hidden = false;
  showBell();
  bell.addEventListener("click", async () => {
    if (wanted()) localStorage.removeItem("newsletter-notify");
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem("newsletter-notify", "on");
    else toast("The browser does not let this page notify you; allow it for this address.");
    showBell();
  });
}

/** Tell of new messages, if somebody asked for it and does not look. */
export async function notify(ids) {
  if (!("Notification" in window) || !document.hidden || !wanted()) return;
  const { messages } = await request(`${api}/messages?limit=1`);
  const newest = messages[0];
  if (!newest) return;
  const more = ids.length > 1 ? `, and ${ids.length - 1} more` : "";
  const shown = new Notification(newest.subject || "(no subject)", { body: `${newest.from || newest.mail_from}${more}`, tag: "newsletter-inbox", icon: "/static/icon.svg" });
  shown.onclick = () => { window.focus(); location.assign(`/message/${newest.id}`); };
}
