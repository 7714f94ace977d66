/* The console on every page: the menu on narrow screens, labels for lists that became cards. */
(() => {
  "use strict";
  document.documentElement.classList.add("th-js");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  if (/^[\w+/-]+$/.test(zone) && !document.cookie.split("; ").includes(`threadhub_timezone=${zone}`)) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `threadhub_timezone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }
  document.addEventListener("DOMContentLoaded", () => {
    const menu = document.querySelector(".th-menu");
    const nav = document.getElementById("nav-sidebar");
    if (menu && nav) {
      menu.addEventListener("click", () => {
        menu.setAttribute("aria-expanded", String(nav.classList.toggle("is-open")));
      });
    } else if (menu) {
      menu.hidden = true;
    }
    for (const table of document.querySelectorAll("#result_list, .th-card .results table")) {
      const heads = [...table.querySelectorAll("thead th")].map((head) => head.querySelector(".text") ?? head);
      for (const row of table.querySelectorAll("tbody tr")) {
        [...row.children].forEach((cell, index) => {
          const label = heads[index]?.textContent.trim();
          if (label && cell.tagName === "TD") cell.dataset.label = label;
        });
      }
    }
    // Django labels a moment as a whole, and not the fields of its date and its time
    for (const field of document.querySelectorAll("input:is(.vDateField, .vTimeField):not([aria-label])")) {
      const name = field.closest(".form-row, td")?.querySelector("label, legend")?.textContent ?? "";
      if (!field.labels.length) field.setAttribute("aria-label", `${name} ${field.previousSibling?.textContent ?? ""}`.trim());
    }
    // select2 gives its own fields no name that a screen reader could read
    const nameFields = () => {
      for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
        const name = document.querySelector(`label[for="${select.id}"]`)?.textContent.replace(/:$/, "");
        const box = select.nextElementSibling?.querySelector(".select2-selection");
        if (!name || !box) continue;
        for (const field of [box, ...box.querySelectorAll("[role=textbox], [role=searchbox]")]) {
          field.removeAttribute("aria-labelledby");
          field.setAttribute("aria-label", name.trim());
        }
      }
    };
    if (document.querySelector("select.admin-autocomplete")) {
      new MutationObserver(nameFields).observe(document.body, { childList: true, subtree: true });
    }
    document.addEventListener("click", (event) => {
      for (const open of document.querySelectorAll("details.th-filter[open], details.th-account[open]")) {
        if (!open.contains(event.target)) open.open = false;
      }
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      for (const open of document.querySelectorAll("details.th-filter[open], details.th-account[open]")) {
        open.open = false;
        open.querySelector("summary").focus();
      }
    });
  });
})();
