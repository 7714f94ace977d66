/* Comfort on every page. Everything works without it. */
(() => {
  "use strict";
  const root = document.documentElement;
  const stored = (key, value) => {
    try {
      if (value === undefined) return localStorage.getItem(key);
      localStorage.setItem(key, value);
    } catch { /* storage is switched off */ }
    return null;
  };

  let toastTimer;
  const toast = (text) => {
    const box = document.querySelector("[data-toast]");
    if (!box || !text) return;
    box.textContent = text;
    box.classList.add("on");
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => box.classList.remove("on"), 2000);
  };
  window.threadhub = { toast, stored };

  // Theme: as the system, light, dark. The console reads the same key.
  const themes = ["auto", "light", "dark"];
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    const show = () => {
      const now = root.dataset.theme ?? "auto";
      button.dataset.now = now;
      button.querySelector("[data-label]").textContent = button.title = button.dataset[now];
    };
    button.addEventListener("click", () => {
      const next = themes[(themes.indexOf(button.dataset.now) + 1) % themes.length];
      if (next === "auto") delete root.dataset.theme;
      else root.dataset.theme = next;
      stored("theme", next);
      show();
    });
    show();
  }

  // A picture that cannot be had leaves its name, not an empty frame.
  const lost = (picture) => picture.closest(".picture")?.classList.add("lost");
  document.addEventListener("error", (event) => event.target.matches?.(".picture img") && lost(event.target), true);
  for (const picture of document.querySelectorAll(".picture img"))
    if (picture.complete && !picture.naturalWidth && picture.currentSrc) lost(picture);

  // Menus close when the reader goes elsewhere.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]"))
      if (!menu.contains(event.target)) menu.open = false;
  });

  // What scrolls sideways can be reached with the keyboard, and only that.
  const reachable = () => {
    for (const box of document.querySelectorAll(".code pre, .scroll"))
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
  };
  addEventListener("resize", reachable);
  document.addEventListener("toggle", reachable, true);
  reachable();

  // Shortcuts: single keys, never inside fields, and they can be switched off.
  const dialog = document.querySelector("[data-shortcuts-dialog]");
  const opener = document.querySelector("[data-shortcuts]");
  const field = document.querySelector("[data-search-field]");
  const enabled = dialog?.querySelector("[data-shortcuts-on]");
  if (enabled) {
    enabled.checked = stored("threadhub_shortcuts") !== "off";
    enabled.addEventListener("change", () => stored("threadhub_shortcuts", enabled.checked ? "on" : "off"));
    opener.addEventListener("click", () => dialog.showModal());
  }
  const keys = new Map();
  window.threadhub.onKey = (key, action) => keys.set(key, action);
  const focusField = () => { field?.focus(); field?.select(); };
  keys.set("/", focusField);
  keys.set("?", () => dialog?.showModal());
  const home = document.querySelector("a.brand");
  if (home) keys.set("g s", () => { location.href = home.href; });

  // j and k walk through the results, or whatever the page marks as steps.
  const steps = () => [...document.querySelectorAll("[data-step]")].filter((step) => step.offsetParent);
  window.threadhub.walk = (list, offset) => {
    const top = (step) => step.getBoundingClientRect().top;
    const line = parseFloat(getComputedStyle(root).scrollPaddingTop) + 4;
    const focused = list.findIndex((step) => step.contains(document.activeElement));
    let at = focused >= 0 ? focused + offset : offset > 0
      ? list.findIndex((step) => top(step) > line)
      : list.findLastIndex((step) => top(step) < line - 8);
    if (at < 0 || at >= list.length) return null;
    const step = list[at];
    const target = step.matches("a, button, [tabindex]") ? step : step.querySelector("a") ?? step;
    target.focus({ preventScroll: true });
    step.scrollIntoView({ block: step.offsetHeight > innerHeight / 2 ? "start" : "nearest" });
    return step;
  };
  keys.set("j", () => window.threadhub.walk(steps(), 1));
  keys.set("k", () => window.threadhub.walk(steps(), -1));

  let pending = "";
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && field) {
      event.preventDefault();
      focusField();
      return;
    }
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
      if (event.target === field) {
        event.preventDefault(); // browsers would empty it; who leaves it wants the keys again
        field.blur();
      }
      return;
    }
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey || typing || dialog?.open || enabled?.checked === false) return;
    const action = keys.get(`${pending} ${event.key}`) ?? keys.get(event.key);
    pending = event.key === "g" ? "g" : "";
    if (action) {
      event.preventDefault();
      action();
    }
  });
})();
