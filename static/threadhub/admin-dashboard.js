/* The dashboard's charts. Their numbers are in the page as JSON, their meaning as text. */
(() => {
  "use strict";
  const source = document.getElementById("th-charts");
  if (!source || typeof uPlot === "undefined") return;
  const charts = JSON.parse(source.textContent);
  const colour = (name) => {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };
  const DAYS = [1, 2, 3, 5, 7, 14, 30, 60, 120].map((days) => days * 86400); // no label twice
  const two = (value) => String(value).padStart(2, "0");
  const day = (seconds) => {
    const date = new Date(seconds * 1000);
    return `${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  };
  const hour = (seconds) => {
    const date = new Date(seconds * 1000);
    return `${two(date.getHours())}:${two(date.getMinutes())}`;
  };
  const short = (value) => {
    if (value >= 1e6) return `${Number((value / 1e6).toFixed(1))} M`;
    if (value >= 1e4) return `${Number((value / 1e3).toFixed(1))} k`;
    return Number.isInteger(value) ? value.toLocaleString() : "";
  };
  const fromZero = (_chart, _low, high) => [0, Math.max((high ?? 0) * 1.1, 4)];
  // An hour at least: of the first minute uPlot makes a day with one label many times.
  const span = (times) => {
    const last = times.at(-1) ?? Date.now() / 1000;
    return [Math.min(times[0] ?? last, last - 3600), last];
  };
  const draw = () => {
    const quiet = colour("--body-quiet-color");
    const line = colour("--hairline-color");
    const strokes = ["--th-accent", "--th-second", "--th-third", "--th-fourth", "--th-fifth", "--th-sixth"].map(colour);
    const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    for (const place of document.querySelectorAll("[data-chart]")) {
      const { columns, labels, shape } = charts[place.dataset.chart];
      const times = columns[0];
      const isLong = times.length > 1 && times.at(-1) - times[0] > 3 * 86400;
      place.replaceChildren();
      const bars = { label: labels[0], fill: strokes[0], stroke: strokes[0], width: 0, points: { show: false } };
      bars.paths = uPlot.paths.bars({ size: [0.65, 28], radius: 0.25 });
      const lines = labels.map((label, index) => ({
        label, stroke: strokes[index % strokes.length], width: 1.75, spanGaps: false, points: { show: times.length < 3 },
      }));
      new uPlot({
        width: place.clientWidth,
        height: place.clientHeight,
        padding: [12, 22, 0, 0],
        // Days are in UTC, and so is where one begins.
        ...(isLong && { tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") }),
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: true, range: span(times) }, y: { range: shape === "percent" ? [0, 100] : fromZero } },
        axes: [
          { ...axis, size: 30, space: 70, ...(isLong && { incrs: DAYS }), values: (_chart, ticks) => ticks.map(isLong ? day : hour) },
          { ...axis, size: 52, values: (_chart, ticks) => ticks.map(short) },
        ],
        series: [{}, ...(shape === "bars" ? [bars] : lines)],
      }, columns, place);
    }
  };
  draw();
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, 150);
  });
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
