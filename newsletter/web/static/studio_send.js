// "Send me this": one address, a confirmation, and the real message through the relay.

import { openDialog, request, toast } from "./base.js";

const $ = (id) => document.getElementById(id);
const REMEMBERED = "newsletter.send-to";

/** Ask for an address and send what is shown to it; `where()` is the server's address for it, `person()` as whom. */
export function sender({ where, person }) {
  $("send-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send(where(), person());
  });
  $("send-button").addEventListener("click", ask);
  return ask;
}

/** Say what would be sent, through which relay, and what speaks against it. */
export function describeSending(summary) {
  $("send-what").textContent = `“${summary.subject}”, as ${summary.person.name || summary.person.email} gets it, ${Math.ceil(summary.size / 1024)} KB`;
  $("send-relay").textContent = summary.relay || "no relay";
  const notes = [summary.relayNote, summary.draft ? "The post is a draft." : ""].filter(Boolean);
  $("send-warning").textContent = notes.join(" ");
  $("send-warning").hidden = !notes.length;
  $("send-confirm").disabled = !summary.relay;
}

function ask() {
  const field = $("send-to");
  try { field.value ||= localStorage.getItem(REMEMBERED) ?? ""; } catch { /* storage is off */ }
  $("send-error").hidden = true;
  openDialog($("send-dialog"));
  (field.value ? $("send-confirm") : field).focus();
}

async function send(url, person) {
  const to = $("send-to").value.trim();
  const button = $("send-confirm");
  button.disabled = true;
  button.textContent = "Sending …";
  $("send-error").hidden = true;
  try {
    const { said } = await request(url, { method: "POST", json: { to, as: person } });
    try { localStorage.setItem(REMEMBERED, to); } catch { /* storage is off */ }
    $("send-dialog").close();
    toast(said, "good");
  } catch (error) {
    const where = error.body?.path ? `${error.body.path}${error.body.line ? `:${error.body.line}` : ""}: ` : "";
    $("send-error").textContent = where + error.message + (error.body?.hint ? `; ${error.body.hint}` : "");
    $("send-error").hidden = false;
  }
  button.disabled = false;
  button.textContent = "Send";
}
