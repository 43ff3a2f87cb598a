// What can't be shown, over the mail: the file, the line, and the lines around it.

const $ = (id) => document.getElementById(id);

/** Show what went wrong: an Error of `request`, or one with the server's description as its `body`. */
export function showFault(error) {
  const fault = error.body?.error ? error.body : { error: error.message };
  $("fault-where").textContent = fault.path ? fault.path + (fault.line ? `:${fault.line}` : "") : "";
  $("fault-what").textContent = fault.error;
  $("fault-hint").textContent = fault.hint ?? "";
  const lines = fault.excerpt ? fault.excerpt.lines : [];
  $("fault-excerpt").hidden = !lines.length;
  $("fault-excerpt").replaceChildren(...lines.map((text, at) => {
    const number = fault.excerpt.first + at;
    const line = document.createElement("span");
    line.className = number === fault.line ? "line wanted" : "line";
    line.dataset.number = number;
    line.textContent = text + "\n";
    return line;
  }));
  $("fault-foot").hidden = !fault.path;
  $("fault").hidden = false;
}

/** Take it away. */
export function hideFault() {
  $("fault").hidden = true;
}

/** What the server found when it wrote this page. */
export function faultOfThePage() {
  const written = $("fault").dataset.fault;
  if (written) showFault({ body: JSON.parse(written) });
  return Boolean(written);
}
