/* The results: select some with x or the mouse, export them, unfold more. Works without it. */
(() => {
  "use strict";
  const { onKey } = window.threadhub;

  // htmx fills the side bar and unfolds hits: nothing that the first paint has to wait for.
  const { htmx } = document.currentScript.dataset;
  requestAnimationFrame(() => setTimeout(() => {
    const script = document.createElement("script");
    script.src = htmx;
    document.head.append(script);
  }));

  // The thread page leads on to the next of these.
  const threads = [...document.querySelectorAll(".hit")].map((hit) => {
    const link = hit.querySelector("h2 a");
    return [/threads\/([^/]+)\//.exec(link.pathname)?.[1], link.href];
  });
  const query = new URL(location.href).searchParams.get("q") ?? "";
  try { sessionStorage.setItem("threadhub_results", JSON.stringify({ q: query.trim(), threads })); } catch { /* switched off */ }

  const bulk = document.querySelector("[data-bulk]");
  if (!bulk) return;
  const boxes = [...document.querySelectorAll("[data-pick]")];
  const all = bulk.querySelector("[data-pick-all]");
  const button = bulk.querySelector("[data-export-picked]");
  const ids = bulk.querySelector("[data-picked]");
  const count = bulk.querySelector("[data-picked-count]");

  const update = () => {
    const picked = boxes.filter((box) => box.checked);
    for (const box of boxes) box.closest(".hit").classList.toggle("picked", box.checked);
    all.checked = picked.length === boxes.length;
    all.indeterminate = picked.length > 0 && !all.checked;
    ids.value = picked.map((box) => box.value).join(",");
    button.disabled = !picked.length;
    count.textContent = picked.length ? `(${picked.length})` : "";
  };
  for (const box of boxes) box.addEventListener("change", update);
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    update();
  });
  update(); // the browser keeps what was checked when the reader comes back

  for (const button of document.querySelectorAll("[data-copy-hit]")) {
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.closest(".hit").querySelector("h2 a").href);
        window.threadhub.toast(button.dataset.copied);
      } catch { window.threadhub.toast(button.dataset.notCopied); }
    });
  }

  const here = () => document.activeElement?.closest(".hit");
  onKey("x", () => here()?.querySelector("[data-pick]")?.click());
  onKey("o", () => here()?.querySelector("h2 a")?.click());
  onKey("e", () => {
    if (button.disabled) bulk.querySelector("[data-export-all]").click();
    else bulk.requestSubmit();
  });
})();
