// The findings on the right: fetched after the mail is shown, never before.

import { request } from "./base.js";

const $ = (id) => document.getElementById(id);

/** Fetch from `url` and show, unless the page has gone on (`current` says so); `links` if every link is asked. */
export async function showFindings(url, { current, links = false }) {
  const body = $("findings-body");
  body.setAttribute("aria-busy", "true");
  if (links) $("check-links").disabled = true;
  try {
    const html = await request(url, { method: links ? "POST" : "GET" });
    if (!current()) return;
    const opened = body.querySelector("details")?.open;
    body.innerHTML = html;
    if (opened) body.querySelector("details")?.setAttribute("open", "");
  } catch (error) {
    if (!current()) return;
    const words = document.createElement("p");
    words.className = "soft findings-wait";
    words.textContent = `The checks could not run: ${error.message}`;
    body.replaceChildren(words);
  }
  body.setAttribute("aria-busy", "false");
  showCounts();
}

function showCounts() {
  const counts = document.querySelector(".findings-counts")?.dataset;
  const badge = document.querySelector("[data-count=all]");
  const number = counts ? Number(counts.errors) + Number(counts.warnings) : 0;
  badge.hidden = !number;
  badge.textContent = String(number);
  badge.className = `badge ${counts && Number(counts.errors) ? "error" : "warning"}`;
}

/** Take them away: they are of something that is not shown. */
export function clearFindings() {
  $("findings-body").replaceChildren();
  showCounts();
}
