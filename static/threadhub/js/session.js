/* Tells people five minutes before their session ends, and keeps what they typed when it has. */
(() => {
  "use strict";
  const box = document.querySelector("[data-session-end]");
  if (!box) return;
  const warnBefore = 5 * 60 * 1000;
  const longestTimer = 2 ** 31 - 1; // milliseconds; browsers fire later ones at once
  const [before, after] = [box.querySelector("[data-before]"), box.querySelector("[data-after]")];
  let endsAt = Date.parse(box.dataset.sessionEnd);
  let timer;
  const look = () => {
    clearTimeout(timer);
    const left = endsAt - Date.now();
    box.hidden = left > warnBefore;
    before.hidden = left <= 0;
    after.hidden = left > 0;
    if (left > 0) timer = setTimeout(look, Math.min(left > warnBefore ? left - warnBefore : left, longestTimer));
  };
  box.querySelector("button").addEventListener("click", async () => {
    const answer = await fetch(box.dataset.stay, {
      method: "POST", headers: { "X-CSRFToken": box.dataset.token, Accept: "application/json" },
    });
    endsAt = answer.ok && !answer.redirected ? Date.parse((await answer.json()).ends_at) : 0;
    look();
  });
  // Logging in elsewhere gives a new token to forms; the ones on this page have the old one.
  document.addEventListener("visibilitychange", () => {
    look();
    const cookie = document.cookie.split("; ").find((part) => /^(__Host-csrftoken|threadhub_csrf)=/.test(part));
    if (document.hidden || !cookie) return;
    for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) field.value = cookie.split("=")[1];
  });
  look();
})();
