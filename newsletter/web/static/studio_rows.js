// The inbox rows have the clients' own widths; where there is less room they are drawn smaller, and say how much.

let observer = null;

/** Fit the rows in `panel` into their places, now and whenever the places change. */
export function fitRows(panel) {
  observer?.disconnect();
  const screens = [...panel.querySelectorAll(".inbox-screen")];
  if (!screens.length) return;
  const fit = () => {
    for (const screen of screens) {
      screen.style.zoom = "1";
      const scale = Math.min(1, Math.floor(1000 * screen.parentElement.clientWidth / screen.offsetWidth) / 1000);
      screen.style.zoom = String(scale);
      const said = screen.parentElement.querySelector(".inbox-scale");
      said.textContent = scale < 0.995 ? `, at ${Math.round(scale * 100)} %` : "";
    }
  };
  observer = new ResizeObserver(fit);
  observer.observe(panel);
  fit();
}
