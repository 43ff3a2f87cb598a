// Set the page's theme before the first paint: "system", "light" or "dark", as chosen last.
(() => {
  let theme = "system";
  try { theme = localStorage.getItem("newsletter.theme") || theme; } catch { /* storage is off */ }
  document.documentElement.dataset.theme = theme;
})();
