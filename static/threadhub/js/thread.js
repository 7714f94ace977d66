/* The thread page: walk through hits and messages, copy, hide tools. Works without it. */
(() => {
  "use strict";
  const { toast, onKey, walk } = window.threadhub;
  const page = document.querySelector("[data-thread]");
  if (!page) return;
  const words = page.dataset;

  // A permalink to a message that is on another page of a long thread.
  const goToHash = () => {
    const position = /^#m-(\d+)$/.exec(location.hash)?.[1];
    if (!position || document.getElementById(`m-${position}`)) return;
    const address = new URL(location.href);
    if (address.searchParams.get("at") === position) return;
    address.searchParams.delete("page");
    address.searchParams.set("at", position);
    location.replace(address);
  };
  addEventListener("hashchange", goToHash);
  goToHash();

  const follow = (selector) => document.querySelector(selector)?.click();
  const messages = () => [...page.querySelectorAll(".msg")].filter((message) => message.offsetParent);
  for (const message of page.querySelectorAll(".msg")) message.tabIndex = -1;
  onKey("n", () => follow("[data-next-hit]"));
  onKey("p", () => follow("[data-previous-hit]"));
  onKey("b", () => follow("[data-back]"));
  onKey("j", () => walk(messages(), 1));
  onKey("k", () => walk(messages(), -1));
  onKey("u", () => {
    const after = (list) => list.findIndex((message) => message.getBoundingClientRect().top > 100);
    const users = messages().filter((message) => message.classList.contains("user"));
    const at = after(users);
    if (at >= 0) { users[at].focus({ preventScroll: true }); users[at].scrollIntoView({ block: "start" }); }
  });

  // Previous and next hit follow the message that is being read, not only the one that was opened.
  const hits = (words.hits ?? "").split(",").filter(Boolean).map(Number);
  const counter = document.querySelector("[data-hit-count]");
  const links = { next: document.querySelector("[data-next-hit]"), previous: document.querySelector("[data-previous-hit]") };
  const update = () => {
    const here = Number(/^#m-(\d+)$/.exec(location.hash)?.[1] ?? 0);
    if (!hits.length || !counter || !here) return;
    const at = hits.indexOf(here);
    if (at < 0) return;
    counter.textContent = counter.dataset.pattern.replace("{at}", at + 1);
    for (const [name, position] of [["next", hits[at + 1]], ["previous", hits[at - 1]]]) {
      const link = links[name];
      if (!link) continue;
      link.toggleAttribute("aria-disabled", false);
      if (position === undefined) { link.removeAttribute("href"); link.setAttribute("aria-disabled", "true"); continue; }
      link.removeAttribute("aria-disabled");
      const address = new URL(location.href);
      address.hash = `m-${position}`;
      address.searchParams.delete("page");
      if (document.getElementById(`m-${position}`)) link.href = address.hash;
      else { address.searchParams.set("at", position); link.href = address; }
    }
  };
  addEventListener("hashchange", update);
  update();

  // Copy buttons on code, and on each message.
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
  page.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    event.preventDefault();
    if (button.dataset.copy) copy(new URL(button.dataset.copy, location.href).href);
    else copy(button.closest(".msg").querySelector(".prose").innerText);
  });

  const toggle = document.querySelector("[data-tools-toggle]");
  if (toggle) {
    toggle.hidden = false;
    const flip = () => toggle.setAttribute("aria-pressed", String(!document.body.classList.toggle("no-tools")));
    toggle.addEventListener("click", flip);
    onKey("t", flip);
  }

  // Find in this thread: the browser's own find also opens what is folded, so only focus matters.
  addEventListener("beforeprint", () => { for (const fold of page.querySelectorAll("details")) fold.open = true; });
})();
