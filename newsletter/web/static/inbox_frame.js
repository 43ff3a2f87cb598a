// The frame that shows a message's HTML: its width, light or dark, and whether remote images are asked for.

const WIDTH = "newsletter.inbox.width";
const THEME = "newsletter.inbox.theme";

function recall(key, otherwise) {
  try { return localStorage.getItem(key) ?? otherwise; } catch { return otherwise; }
}

function keep(key, value) {
  try { localStorage.setItem(key, value); } catch { /* storage is off */ }
}

/** Set up the frame in `open`, the message's article, as it was left last time. */
export function dressFrame(open) {
  const frame = open.querySelector("#frame");
  if (!frame) return;
  const sheet = open.querySelector("#sheet");
  const width = open.querySelector("#width");
  const theme = open.querySelector("#theme");
  let images = false;
  let writing = false;

  function load() {
    const values = new URLSearchParams();
    if (theme.value !== "light") values.set("theme", theme.value);
    if (images) values.set("images", "1");
    const source = `${frame.dataset.src}${values.size ? `?${values}` : ""}`;
    if (frame.getAttribute("src") !== source) frame.setAttribute("src", source);
    sheet.classList.toggle("dark", theme.value !== "light");
  }

  function resize(pixels) {
    writing = false;
    sheet.classList.toggle("sized", Boolean(pixels));
    sheet.style.width = pixels ? `${pixels}px` : "";
    settle(pixels);
    tell();
  }

  function settle(pixels) {
    for (const button of open.querySelectorAll("[data-width]")) {
      button.setAttribute("aria-pressed", String(button.dataset.width === pixels));
    }
    keep(WIDTH, pixels);
  }

  /** Say how wide the frame is now, unless somebody is writing how wide it should be. */
  function tell() {
    if (!writing) width.value = String(Math.round(sheet.getBoundingClientRect().width));
  }

  for (const button of open.querySelectorAll("[data-width]")) {
    button.addEventListener("click", () => resize(button.dataset.width));
  }
  width.addEventListener("input", () => { writing = true; });
  width.addEventListener("change", () => {
    writing = false;
    const pixels = Math.round(Number(width.value));
    if (pixels >= 200 && pixels <= 3000) resize(String(pixels));
    else tell();
  });
  theme.addEventListener("change", () => { keep(THEME, theme.value); load(); });
  open.querySelector("#show-images")?.addEventListener("click", () => {
    images = true;
    open.querySelector("#remote").remove();
    load();
  });
  theme.value = recall(THEME, "light");
  if (!theme.value) theme.value = "light";
  resize(recall(WIDTH, ""));
  load();
  // Its corner can be dragged to any width.
  new ResizeObserver(() => {
    tell();
    if (sheet.classList.contains("sized")) settle(String(Math.round(sheet.getBoundingClientRect().width)));
  }).observe(sheet);
}
