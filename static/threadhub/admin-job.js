/* A job's page: asks how far it is until it has ended, then shows the page as it is by then. */
(() => {
  "use strict";
  const card = document.querySelector(".th-job[data-state-url]");
  if (!card) return;
  const part = (name) => card.querySelector(`[data-part="${name}"]`);
  const title = document.title;
  let failures = 0;
  const show = (state) => {
    const bar = part("bar");
    if (state.percent === null) bar.removeAttribute("value");
    else bar.value = state.percent;
    part("progress").textContent = [state.phase, state.progress].filter(Boolean).join(" · ");
    part("state").textContent = state.state;
    part("state").className = `th-badge th-badge--${state.kind}`;
    part("error").textContent = state.error;
    document.title = state.percent === null ? title : `${state.percent} % · ${title}`;
  };
  const ask = async () => {
    try {
      const answer = await fetch(card.dataset.stateUrl, { headers: { Accept: "application/json" } });
      if (answer.status === 403 || answer.status === 404 || answer.redirected) return;
      if (!answer.ok) throw new Error(String(answer.status));
      const state = await answer.json();
      failures = 0;
      show(state);
      if (!state.is_live) {
        location.reload();
        return;
      }
    } catch {
      failures += 1;  // the server restarts, the network is away: ask less and less often
    }
    setTimeout(ask, Math.min(1000 * 2 ** failures, 30000));
  };
  setTimeout(ask, 1000);
})();
