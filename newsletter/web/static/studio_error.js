// What can't be shown, over the mail: the file, the line, and the lines around it.

const $ = (id) => document.getElementById(id);

/** Show what went wrong: an Error of `request`, or one with the server's description as its `body`. */
export function showFailure(error) {
  const failure = error.body?.error ? error.body : { error: error.message };
  $("failure-where").textContent = failure.path ? failure.path + (failure.line ? `:${failure.line}` : "") : "";
  $("failure-what").textContent = failure.error;
  $("failure-hint").textContent = failure.hint ?? "";
  const lines = failure.excerpt ? failure.excerpt.lines : [];
  $("failure-excerpt").hidden = !lines.length;
  $("failure-excerpt").replaceChildren(...lines.map((text, at) => {
    const number = failure.excerpt.first + at;
    const line = document.createElement("span");
    line.className = number === failure.line ? "line wanted" : "line";
    line.dataset.number = number;
    line.textContent = text + "\n";
    return line;
  }));
  $("failure-foot").hidden = !failure.path;
  $("failure").hidden = false;
}

/** Take it away. */
export function hideFailure() {
  $("failure").hidden = true;
}

/** What the server found when it wrote this page. */
export function failureOfThePage() {
  const written = $("failure").dataset.error;
  if (written) showFailure({ body: JSON.parse(written) });
  return Boolean(written);
}
