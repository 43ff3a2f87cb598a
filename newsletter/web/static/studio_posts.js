// The posts on the left: searched and filtered here, listed by the server.

import { request } from "./base.js";

const search = document.getElementById("post-search");
let filter = "all";
const NONE = { draft: "No drafts.", ready: "Nothing waits to be sent.", sent: "Nothing has been sent yet." };

function sift() {
  const words = search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  let any = false;
  for (const item of document.querySelectorAll(".post")) {
    const text = item.textContent.toLocaleLowerCase();
    item.hidden = !(words.every((word) => text.includes(word)) && (filter === "all" || filter === item.dataset.kind));
    any ||= !item.hidden;
  }
  const none = document.querySelector(".none-found");
  if (!none) return;
  none.hidden = any;
  none.textContent = words.length ? "No post matches." : NONE[filter] ?? "";
}
search.addEventListener("input", sift);
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") document.querySelector(".post:not([hidden]) a")?.click();
  if (event.key === "Escape") { search.value = ""; sift(); search.blur(); }
});
document.querySelectorAll("[data-filter]").forEach((button) => button.addEventListener("click", () => {
  filter = button.dataset.filter;
  document.querySelectorAll("[data-filter]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
  sift();
}));

/** Ask for the list again; the key of its first post, or null. */
export async function refreshPosts(current) {
  try {
    document.getElementById("post-list").innerHTML = await request(`/list?current=${encodeURIComponent(current)}`);
  } catch { return null; /* the failure is shown by what asked for the mail */ }
  sift();
  return document.querySelector("#post-list [data-key]")?.dataset.key ?? null;
}

/** The link of the post that is `by` away from `current` among those shown. */
export function neighbour(current, by) {
  const links = [...document.querySelectorAll(".post:not([hidden]) a")];
  const at = links.findIndex((link) => link.dataset.key === current);
  return links[at < 0 ? 0 : at + by];
}

/** Put the cursor into the search field. */
export function searchPosts() {
  search.focus();
  search.select();
}
