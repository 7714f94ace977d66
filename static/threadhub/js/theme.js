/* The reader's theme, shared with the console, before the first paint; their time zone after it. */
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* storage is switched off: the system's theme it is */ }
  // The next page needs the time zone, not this paint: to ask for it takes a new tab a while.
  requestAnimationFrame(() => setTimeout(() => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
    if (!/^[\w+/-]+$/.test(zone) || document.cookie.split("; ").includes(`threadhub_timezone=${zone}`)) return;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `threadhub_timezone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }));
})();
