// The studio's address: which post, as whom, which view, and how it is shown. What has its default is left out.

export const VIEWS = ["mail", "inbox", "text", "source", "headers", "clients"];
export const THEMES = ["light", "dark", "inverted", "partial"];
const PLAIN = { view: "mail", theme: "light", as: "", width: "", images: "", styles: "", clip: "", part: "", line: "" };

/** The state that the address bar names; what it can't name has its default. */
export function readAddress() {
  const asked = new URLSearchParams(location.search);
  const found = { key: plain(location.pathname.replace(/^\/posts\//, "").replace(/^\/$/, "")) };
  for (const name of Object.keys(PLAIN)) found[name] = asked.get(name) ?? PLAIN[name];
  if (!VIEWS.includes(found.view)) found.view = "mail";
  if (!THEMES.includes(found.theme)) found.theme = "light";
  if (!/^\d{2,4}$/.test(found.width)) found.width = "";
  return found;
}

function plain(text) {
  try { return decodeURIComponent(text); } catch { return text; /* no UTF-8: no post's name */ }
}

/** The address of `route` for the post of `state`, with those of its options that `names` lists. */
export function address(route, state, names = Object.keys(PLAIN)) {
  const asked = new URLSearchParams();
  for (const name of names) if (state[name] && state[name] !== PLAIN[name]) asked.set(name, state[name]);
  const query = asked.toString();
  return `${route}/${state.key.split("/").map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}
