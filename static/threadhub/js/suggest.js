/* The search field's suggestions: a combobox with a listbox. Without scripts it is a plain field. */
(() => {
  "use strict";
  const field = document.querySelector("[data-suggestions]");
  if (!field) return;
  const words = field.dataset;
  const RECENT = 8;
  const WAIT = 120; // milliseconds after a key

  // Searches of this browser, for each account by itself; nobody else gets to know them.
  const key = `threadhub_recent:${words.reader}`;
  const recent = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(key) ?? "[]");
      return Array.isArray(kept) ? kept.filter((text) => typeof text === "string") : [];
    } catch { return []; }
  };
  const keep = (texts) => {
    try {
      if (texts.length) localStorage.setItem(key, JSON.stringify(texts.slice(0, RECENT)));
      else localStorage.removeItem(key);
    } catch { /* storage is switched off */ }
  };
  const asked = field.value.trim();
  if (asked && asked.length <= 300) keep([asked, ...recent().filter((text) => text !== asked)]);

  const list = document.createElement("ul");
  list.id = "suggestions";
  list.className = "suggestions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", words.title);
  list.hidden = true;
  field.after(list);
  const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id };
  for (const [name, value] of Object.entries({ ...attributes, "aria-expanded": "false" })) field.setAttribute(name, value);

  let offered = [];
  let at = -1;
  let timer;
  let asking;

  const choose = (number) => {
    at = number;
    [...list.children].forEach((line, index) => line.setAttribute("aria-selected", String(index === at)));
    const line = list.children[at];
    if (line) {
      field.setAttribute("aria-activedescendant", line.id);
      line.scrollIntoView({ block: "nearest" });
    } else field.removeAttribute("aria-activedescendant");
  };
  const close = () => {
    clearTimeout(timer);
    asking?.abort();
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    choose(-1);
  };
  const show = (items) => {
    offered = items;
    list.replaceChildren(...items.map((item, number) => {
      const line = document.createElement("li");
      line.id = `suggestion-${number}`;
      line.setAttribute("role", "option");
      const label = document.createElement("span");
      label.dir = "auto";
      label.textContent = item.label;
      line.append(label);
      if (item.description) {
        const note = document.createElement("small");
        note.textContent = item.description;
        line.append(note);
      }
      return line;
    }));
    list.hidden = !items.length;
    field.setAttribute("aria-expanded", String(!list.hidden));
    choose(-1);
  };
  const remembered = (text) => {
    const wanted = text.trim().toLowerCase();
    const found = recent().filter((one) => one !== text.trim() && one.toLowerCase().includes(wanted)).slice(0, wanted ? 3 : RECENT);
    const items = found.map((one) => ({ kind: "search", label: one, description: words.recent, text: one }));
    if (items.length && !wanted) items.push({ kind: "forget", label: words.forget, description: "" });
    return items;
  };
  const ask = async () => {
    const text = field.value;
    const position = field.selectionEnd ?? text.length;
    asking?.abort();
    asking = new AbortController();
    let found = [];
    try {
      const address = `${words.suggestions}?${new URLSearchParams({ q: text, position })}`;
      const answer = await fetch(address, { signal: asking.signal, headers: { Accept: "application/json" } });
      if (answer.ok) found = (await answer.json()).results;
    } catch (error) {
      if (error.name === "AbortError") return;
    }
    if (field.value !== text || document.activeElement !== field) return;
    const saved = new Set(found.filter((item) => item.kind === "search").map((item) => item.text));
    const parts = found.filter((item) => item.kind === "part" && item.text.trim() !== text.trim());
    show([...parts, ...found.filter((item) => saved.has(item.text) && item.kind === "search"), ...remembered(text).filter((item) => !saved.has(item.text))]);
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  };

  const take = (item) => {
    if (item.kind === "forget") {
      keep([]);
      close();
    } else if (item.kind === "search") {
      field.value = item.text;
      close();
      field.form.requestSubmit();
    } else {
      const rest = field.value.length - (field.selectionEnd ?? field.value.length);
      const isOpen = /[:.{~,]$/.test(item.label);
      const end = item.text.length - rest;
      field.value = isOpen || rest ? item.text : `${item.text} `;
      field.setSelectionRange(isOpen || rest ? end : end + 1, isOpen || rest ? end : end + 1);
      close();
      if (isOpen) soon();
    }
  };

  field.addEventListener("input", (event) => { if (!event.isComposing) soon(); });
  field.addEventListener("compositionend", soon);
  field.addEventListener("click", () => { if (list.hidden && !field.value) show(remembered("")); });
  field.addEventListener("blur", close);
  field.form.addEventListener("submit", close);
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const isOpen = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) { if (field.value) ask(); else show(remembered("")); return; }
      const step = event.key === "ArrowDown" ? 1 : -1;
      const count = offered.length + 1; // one of the places is the field itself
      choose((at + 1 + step + count) % count - 1);
    } else if (event.key === "Enter" && isOpen && at >= 0) {
      event.preventDefault();
      take(offered[at]);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  // The field keeps the focus; a press is a choice.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const line = event.target.closest("[role=option]");
    if (line) take(offered[[...list.children].indexOf(line)]);
  });
})();
