/* The thread page: walk through hits and messages, copy, show less. Works without it. */
(() => {
  "use strict";
  const { toast, onKey, walk, stored } = window.threadhub;
  const page = document.querySelector("[data-thread]");
  if (!page) return;
  const words = page.dataset;
  const placeOf = (message) => Number(message.id.slice(2));
  const isHere = (position) => document.getElementById(`m-${position}`);

  // A permalink to a message that is on another page of a long thread.
  const goToHash = () => {
    const position = /^#m-(\d+)$/.exec(location.hash)?.[1];
    if (!position || isHere(position)) return;
    const address = new URL(location.href);
    if (address.searchParams.get("at") === position) return;
    address.searchParams.delete("page");
    address.searchParams.set("at", position);
    location.replace(address);
  };
  addEventListener("hashchange", goToHash);
  goToHash();
  if (words.firstHit && !location.hash) location.replace(words.firstHit);

  const follow = (selector) => document.querySelector(selector)?.click();
  const messages = () => [...page.querySelectorAll(".msg")].filter((message) => message.offsetParent);
  for (const message of page.querySelectorAll(".msg")) message.tabIndex = -1;
  const show = (message) => {
    message?.focus({ preventScroll: true });
    message?.scrollIntoView({ block: "start" });
  };
  const prompt = (isNext) => {
    const prompts = messages().filter((message) => message.classList.contains("user"));
    const at = prompts.findIndex((one) => one.contains(document.activeElement));
    if (at >= 0) { show(prompts[at + (isNext ? 1 : -1)]); return; }
    const line = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) + 4;
    const top = (message) => message.getBoundingClientRect().top;
    show(isNext ? prompts.find((one) => top(one) > line) : prompts.findLast((one) => top(one) < line - 8));
  };
  onKey("b", () => follow("[data-back]"));
  onKey("]", () => follow("[data-list-next]"));
  onKey("[", () => follow("[data-list-previous]"));
  onKey("j", () => walk(messages(), 1));
  onKey("k", () => walk(messages(), -1));
  onKey("u", () => prompt(true));
  onKey("U", () => prompt(false));

  // Only the conversation: without tool calls, reasoning, instructions and events.
  const focus = document.querySelector("[data-focus]");
  const only = (isOn) => {
    document.body.classList.toggle("only-talk", isOn);
    focus.setAttribute("aria-pressed", String(isOn));
    stored("threadhub_only_talk", isOn ? "on" : "off");
  };
  focus.addEventListener("click", () => only(focus.getAttribute("aria-pressed") !== "true"));
  onKey("t", () => focus.click());
  if (stored("threadhub_only_talk") === "on") only(true);

  // Previous and next hit follow the message that is being read, not only the one that was opened.
  const hits = (words.hits ?? "").split(",").filter(Boolean).map(Number);
  const counter = document.querySelector("[data-hit-count]");
  const links = [["[data-next-hit]", 1], ["[data-previous-hit]", -1]].map(([selector, step]) => [document.querySelector(selector), step]);
  const point = (link, position) => {
    if (position === undefined) {
      link.removeAttribute("href");
      link.setAttribute("aria-disabled", "true");
      return;
    }
    link.removeAttribute("aria-disabled");
    const address = new URL(location.href);
    address.hash = `m-${position}`;
    address.searchParams.delete("page");
    if (!isHere(position)) address.searchParams.set("at", position);
    link.href = isHere(position) ? address.hash : address;
  };
  const here = () => Number(/^#m-(\d+)$/.exec(location.hash)?.[1] ?? 0);
  const pointFrom = (at) => { for (const [link, step] of links) if (link) point(link, hits[at + step]); };
  const step = (selector) => {
    // Keys may come faster than the event that tells of the new place.
    const at = hits.indexOf(here());
    if (at >= 0) pointFrom(at);
    follow(selector);
  };
  onKey("n", () => step("[data-next-hit]"));
  onKey("p", () => step("[data-previous-hit]"));
  const update = () => {
    const position = here();
    const target = position && isHere(position);
    if (target) {
      target.closest("details.branch")?.setAttribute("open", "");
      if (!target.offsetParent) only(false); // a hit in what is hidden has to be seen
      if (!target.closest("details.branch")) target.scrollIntoView({ block: "start" });
    }
    const at = hits.indexOf(position);
    if (at < 0 || !counter) return;
    if (counter.dataset.pattern) counter.textContent = counter.dataset.pattern.replace("{at}", at + 1);
    pointFrom(at);
  };
  addEventListener("hashchange", update);
  update();

  // Enter in the field for the same words goes on to the next hit, with Shift to the one before.
  const find = document.querySelector("[data-find]");
  find?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !hits.length || find.value.trim() !== find.dataset.find) return;
    event.preventDefault();
    step(event.shiftKey ? "[data-previous-hit]" : "[data-next-hit]");
  });

  // Copy buttons on code; on each message the tools come when it is pointed at or focused.
  const copy = async (text) => {
    try { await navigator.clipboard.writeText(text); toast(words.copied); } catch { toast(words.notCopied); }
  };
  const icon = document.querySelector("template[data-copy-icon]");
  for (const block of page.querySelectorAll(".code")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "knob copy";
    button.title = words.copyCode;
    button.setAttribute("aria-label", words.copyCode);
    if (icon) button.append(icon.content.cloneNode(true));
    button.addEventListener("click", () => copy(block.querySelector("pre").textContent));
    block.append(button);
  }
  const tools = document.querySelector("template[data-message-tools]");
  const equip = (event) => {
    const message = event.target.closest?.(".msg");
    const marks = message?.querySelector(".marks");
    if (!marks || marks.querySelector("[data-raw]") || !message.querySelector(".prose")) return;
    marks.querySelector(".number").before(tools.content.cloneNode(true));
  };
  page.addEventListener("pointerover", equip);
  page.addEventListener("focusin", equip);

  const formatted = new WeakMap();
  const flip = async (button) => {
    const message = button.closest(".msg");
    const prose = message.querySelector(".prose");
    if (formatted.has(prose)) {
      prose.replaceChildren(...formatted.get(prose));
      formatted.delete(prose);
      button.setAttribute("aria-pressed", "false");
      return;
    }
    const source = message.querySelector(".marks a[href$='/']").href;
    const answer = await fetch(`${source}?format=text`).catch(() => null);
    if (!answer?.ok) { toast(words.notLoaded); return; }
    const written = document.createElement("pre");
    written.className = "long";
    written.textContent = await answer.text();
    formatted.set(prose, [...prose.childNodes]);
    prose.replaceChildren(written);
    button.setAttribute("aria-pressed", "true");
  };
  page.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const message = button?.closest(".msg");
    if (!message) return;
    if ("copyText" in button.dataset) copy(message.querySelector(".prose").innerText);
    if ("copyLink" in button.dataset) copy(message.querySelector("[data-link]").href);
    if ("raw" in button.dataset) flip(button);
  });

  // What came since this browser last showed the thread.
  const key = `threadhub_seen:${words.reader}`;
  const seen = (() => {
    try { return new Map(JSON.parse(stored(key) ?? "[]")); } catch { return new Map(); }
  })();
  const before = Number(seen.get(words.thread) ?? 0);
  const shown = [...page.querySelectorAll("[id^='m-']")];
  const fresh = before ? shown.find((message) => placeOf(message) > before) : null;
  if (fresh) (fresh.closest("details.branch") ?? fresh).before(document.querySelector("template[data-new-line]").content.cloneNode(true));
  const last = Math.max(before, ...shown.map(placeOf));
  seen.delete(words.thread);
  seen.set(words.thread, last);
  stored(key, JSON.stringify([...seen].slice(-500)));

  // The threads before and after this one in the results that it was opened from.
  const list = (() => {
    try { return JSON.parse(sessionStorage.getItem("threadhub_results") ?? "{}"); } catch { return {}; }
  })();
  const steps = document.querySelector("[data-list-steps]");
  const query = new URL(location.href).searchParams.get("q") ?? "";
  const place = list.q === query ? (list.threads ?? []).findIndex(([id]) => id === words.thread) : -1;
  if (steps && place >= 0 && list.threads.length > 1) {
    steps.hidden = false;
    steps.querySelector("[data-list-place]").textContent = steps.dataset.pattern.replace("{at}", place + 1).replace("{total}", list.threads.length);
    for (const [selector, other] of [["[data-list-previous]", place - 1], ["[data-list-next]", place + 1]]) {
      const link = steps.querySelector(selector);
      if (list.threads[other]) link.href = list.threads[other][1];
      else link.setAttribute("aria-disabled", "true");
    }
  }

  addEventListener("beforeprint", () => { for (const fold of page.querySelectorAll("details")) fold.open = true; });
})();
