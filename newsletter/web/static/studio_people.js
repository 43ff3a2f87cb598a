// "View as": search the list of subscribers, or choose one of the personas.

import { request } from "./base.js";

/** Wire the button and its popover; `onChoose(key, label)` is called with an address or a persona's key. */
export function personPicker(onChoose) {
  const button = document.getElementById("person-button");
  const popover = document.getElementById("person-popover");
  const search = document.getElementById("person-search");
  const list = document.getElementById("person-list");
  let asked = null;
  let active = -1;

  function open() {
    popover.hidden = false;
    button.setAttribute("aria-expanded", "true");
    search.value = "";
    look();
    search.focus();
  }

  function close(focus = true) {
    if (popover.hidden) return;
    popover.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (focus) button.focus();
  }

  async function look() {
    asked?.abort();
    asked = new AbortController();
    let found;
    try {
      found = await request(`/people?q=${encodeURIComponent(search.value)}&at=${Date.now()}`, { signal: asked.signal });
    } catch (error) {
      if (error.name === "AbortError") return;
      list.replaceChildren(option("", error.message, ""));
      return;
    }
    list.replaceChildren(...found.map((one, index) => option(one.key, one.name || one.email, one.name ? one.email : "", index)));
    if (!found.length) list.replaceChildren(option("", "Nobody matches", ""));
    mark(-1);
  }

  function option(key, label, more, index) {
    const item = document.createElement("li");
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    item.id = `person-${index ?? "none"}`;
    const name = document.createElement("span");
    name.dir = "auto";
    name.textContent = label;
    const address = document.createElement("small");
    address.textContent = more;
    item.append(name, " ", address);
    if (key) {
      item.dataset.person = key;
      item.dataset.name = label;
    } else {
      item.setAttribute("aria-disabled", "true");
    }
    return item;
  }

  function mark(index) {
    const options = [...list.querySelectorAll("[data-person]")];
    active = options.length ? (index + options.length) % options.length : -1;
    if (index < 0) active = -1;
    options.forEach((item, at) => item.setAttribute("aria-selected", String(at === active)));
    if (active < 0) search.removeAttribute("aria-activedescendant");
    else {
      search.setAttribute("aria-activedescendant", options[active].id);
      options[active].scrollIntoView({ block: "nearest" });
    }
  }

  function choose(item) {
    onChoose(item.dataset.person, item.dataset.name);
    close();
  }

  button.addEventListener("click", () => (popover.hidden ? open() : close()));
  search.addEventListener("input", look);
  search.addEventListener("keydown", (event) => {
    const count = list.querySelectorAll("[data-person]").length;
    if (event.key === "ArrowDown") mark(active + 1 >= count ? 0 : active + 1);
    else if (event.key === "ArrowUp") mark(active <= 0 ? count - 1 : active - 1);
    else if (event.key === "Enter") {
      const item = list.querySelectorAll("[data-person]")[Math.max(0, active)];
      if (item) choose(item);
    } else return;
    event.preventDefault();
  });
  popover.addEventListener("click", (event) => {
    const item = event.target.closest("[data-person]");
    if (item) choose(item);
  });
  popover.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".picker")) close(false);
  });
  popover.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !event.relatedTarget.closest(".picker")) close(false);
  });
  return { open, close };
}
