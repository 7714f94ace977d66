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
  const two = (value) => String(value).padStart(2, "0");
  const day = (seconds) => {
    const date = new Date(seconds * 1000);
    return `${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  };
  const hour = (seconds) => {
    const date = new Date(seconds * 1000);
    return `${two(date.getHours())}:${two(date.getMinutes())}`;
  };
  const draw = () => {
    const quiet = colour("--body-quiet-color");
    const line = colour("--hairline-color");
    const accent = colour("--th-accent");
    const second = colour("--th-second");
    const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    for (const place of document.querySelectorAll("[data-chart]")) {
      const { columns, labels } = charts[place.dataset.chart];
      const isBars = place.dataset.chart === "messages";
      const format = isBars ? day : hour;
      place.replaceChildren();
      const bars = { label: labels[0], fill: accent, stroke: accent, width: 0, points: { show: false } };
      bars.paths = uPlot.paths.bars({ size: [0.65, 28], radius: 0.25 });
      const lines = labels.map((label, index) => ({
        label, stroke: index ? second : accent, width: 1.75, spanGaps: false, points: { show: columns[0].length < 3 },
      }));
      new uPlot({
        width: place.clientWidth,
        height: place.clientHeight,
        padding: [12, 10, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: true }, y: { range: isBars ? (_chart, _low, high) => [0, Math.max(high * 1.1, 4)] : [0, 100] } },
        axes: [
          { ...axis, size: 30, space: 70, values: (_chart, ticks) => ticks.map(format) },
          { ...axis, size: 48, values: (_chart, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick.toLocaleString() : "")) },
        ],
        series: [{}, ...(isBars ? [bars] : lines)],
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
