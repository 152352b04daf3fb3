"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const middle = (data.alphabet.length - 1) / 2;
  const codes = new Map([...data.alphabet].map((character, index) => [character, index - middle]));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const plots = new Map();
  const zone = usable(data.zone);
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const formats = {
    days: dates({ weekday: "short", ...clock }),
    month: dates({ weekday: "short", day: "numeric", month: "short", ...clock }),
    year: dates({ weekday: "short", day: "numeric", month: "short", year: "numeric" }),
    hour: dates(clock),
    weekday: dates({ weekday: "short" }),
    day: dates({ day: "numeric", month: "short" }),
    monthOnly: dates({ month: "short" }),
  };

  function usable(name) {
    try {
      new Intl.DateTimeFormat("en", { timeZone: name });
      return name;
    } catch {
      return undefined;
    }
  }

  function dates(options) {
    const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
    return (seconds) => format.format(new Date(seconds * 1000));
  }

  function decode(text) {
    return (text.match(/\(-?\d+\)|./g) || []).map((code) =>
      code === "." ? null : code.length > 1 ? Number(code.slice(1, -1)) : codes.get(code));
  }

  // Returns [times, means] or [times, means, lows, highs].
  function values(chart, range) {
    const axis = data.axes[range];
    const coded = chart.lines[range];
    if (!coded) return [axis.at, axis.at.map(() => null)];
    let sum = 0;
    const means = decode(coded[0]).map((step) => (step === null ? null : (sum += step)));
    const around = coded.slice(1).map((text, index) => decode(text).map((distance, at) =>
      distance === null ? null : (means[at] + (index ? distance : -distance)) / chart.scale));
    return [axis.at, means.map((mean) => (mean === null ? null : mean / chart.scale)), ...around];
  }

  function shown(number, chart, withUnit = true) {
    const text = number.toFixed(chart.decimals).replace(/^-/, "−");
    return withUnit && chart.unit ? `${text} ${chart.unit}` : text;
  }

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  function hatch(context) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.strokeStyle = color("hatch");
    pen.lineWidth = 1.2;
    pen.beginPath();
    for (const shift of [-8, 0, 8]) {
      pen.moveTo(shift, 8);
      pen.lineTo(shift + 8, 0);
    }
    pen.stroke();
    return context.createPattern(tile, "repeat");
  }

  // Hatches where the line is broken, but not the time before a device was there.
  function drawGaps(plot, chart, range) {
    const { ctx, bbox, data: [at, means] } = plot;
    const half = data.axes[range].step / 2;
    ctx.save();
    ctx.fillStyle = hatch(ctx);
    for (let first = 0; first < at.length; first++) {
      if (means[first] !== null) continue;
      let last = first;
      while (last + 1 < at.length && means[last + 1] === null) last++;
      const start = Math.max(at[first] - half, at[0], Math.min(chart.since, at[last] + half));
      const from = plot.valToPos(start, "x", true);
      const to = plot.valToPos(Math.min(at[last] + half, at[at.length - 1]), "x", true);
      if (to > from) ctx.fillRect(from, bbox.top, Math.max(to - from, 1.5), bbox.height);
      first = last;
    }
    ctx.restore();
  }

  // Gaps are start, length, reason; start, length, reason; ... in minutes since data.since.
  function reasons(chart, from, to) {
    const gaps = data.gaps[chart.device];
    const texts = new Set();
    for (let place = 0; place < gaps.length; place += 3) {
      const start = data.since + gaps[place] * 60;
      if (start < to && start + gaps[place + 1] * 60 > from) texts.add(data.reasons[gaps[place + 2]]);
    }
    return [...texts].join("; ");
  }

  function describe(chart, range, series, index) {
    const at = series[0][index];
    const reach = data.axes[range].step / 2 - 60;
    const why = reasons(chart, at - reach, at + reach);
    const mean = series[1][index];
    if (mean === null) return `${formats[range](at)}: ${why || (at < chart.since ? "not there yet" : "no readings")}`;
    const between = series.length > 2 ? ` (${shown(series[2][index], chart, false)} to ${shown(series[3][index], chart, false)})` : "";
    return `${formats[range](at)}: ${shown(mean, chart)}${between}${why ? `; some are missing: ${why}` : ""}`;
  }

  function summary(chart, series) {
    const lows = (series[2] || series[1]).filter((value) => value !== null);
    const highs = (series[3] || series[1]).filter((value) => value !== null);
    if (!lows.length) return "no readings in this time";
    const [low, high] = [lows.reduce((a, b) => Math.min(a, b)), highs.reduce((a, b) => Math.max(a, b))];
    return `${shown(low, chart, false)} to ${shown(high, chart)}`;
  }

  function timeLabels(range) {
    return (plot, splits) => splits.map((at, index) => {
      if (range === "year") return formats.monthOnly(at);
      if (range === "month") return formats.day(at);
      const hour = formats.hour(at);
      return hour === "00:00" ? formats.weekday(at) : hour;
    });
  }

  // uPlot places ticks by the clock of the browser; these follow the clock of the home.
  function ticks(range) {
    return (plot, axis, from, to) => {
      const narrow = plot.width < 420;
      const wanted = { days: narrow ? 2 : 1, month: narrow ? 7 : 4, year: narrow ? 3 : 2 }[range];
      return data.axes[range].ticks.filter((at, index) => at >= from && at <= to - (to - from) / 30 && index % wanted === 0);
    };
  }

  function options(chart, range, width) {
    const stroke = color(chart.color);
    const axis = { stroke: color("soft"), font: "12px system-ui, sans-serif", grid: { stroke: color("grid"), width: 1 }, ticks: { show: false } };
    const band = chart.lines[range] && chart.lines[range].length > 1;
    const edge = { stroke: "transparent", width: 0, points: { show: false } };
    const at = data.axes[range].at;
    return {
      width, height: 170, legend: { show: false }, padding: [8, 8, 0, 0],
      cursor: { sync: { key: "time" }, points: { size: 7 }, drag: { x: false, y: false }, y: false },
      scales: {
        x: { time: false, range: [data.axes[range].start, data.axes[range].end] },
        y: { range: (plot, low, high) => bounds(low, high, chart) },
      },
      series: [{}, { stroke, width: 1.75, points: { show: false, filter: lonely, size: 4, fill: stroke } }, ...(band ? [edge, edge] : [])],
      bands: band ? [{ series: [3, 2], fill: `${stroke}33` }] : [],
      axes: [
        { ...axis, splits: ticks(range), values: timeLabels(range), size: 26, gap: 4 },
        { ...axis, size: 44, gap: 4, values: (plot, splits) => splits.map((value) => String(value).replace(/^-/, "−")) },
      ],
      hooks: {
        drawClear: [(plot) => drawGaps(plot, chart, range)],
        setCursor: [(plot) => report(chart, range, plot)],
      },
    };
  }

  function bounds(low, high, chart) {
    if (low === null || low === undefined) return [0, chart.least];
    const room = Math.max((high - low) * 0.08, (chart.least - (high - low)) / 2);
    const lowest = chart.floor === null ? low - room : Math.max(chart.floor, low - room);
    return [lowest, Math.max(high + room, lowest + chart.least)];
  }

  // A reading between two gaps is a point: a line has two ends.
  function lonely(plot, number) {
    const row = plot.data[number];
    const alone = row.map((value, index) => index).filter((index) =>
      row[index] !== null && (row[index - 1] ?? null) === null && (row[index + 1] ?? null) === null);
    return alone.length ? alone : null;
  }

  function report(chart, range, plot) {
    const index = plot.cursor.idx;
    const inside = plot.cursor.left >= 0 && index !== null && index !== undefined;
    chart.output.hidden = !inside;
    chart.output.textContent = inside ? describe(chart, range, plot.data, index) : "";
  }

  function draw(chart) {
    const range = document.querySelector("input[name=range]:checked").value;
    const box = chart.box;
    const series = values(chart, range);
    plots.get(chart)?.destroy();
    plots.set(chart, new uPlot(options(chart, range, box.clientWidth), series, box));
    box.setAttribute("aria-label", `${chart.label}, ${data.axes[range].title}: ${summary(chart, series)}`);
    chart.summary.textContent = summary(chart, series);
    chart.output.hidden = true;
  }

  function move(chart, event) {
    const plot = plots.get(chart);
    const last = plot.data[0].length - 1;
    const index = plot.cursor.left >= 0 ? plot.cursor.idx ?? last : last + 1;
    const jump = event.shiftKey || event.ctrlKey ? Math.ceil(last / 24) : 1;
    const target = { ArrowLeft: index - jump, ArrowRight: index + jump, Home: 0, End: last }[event.key];
    if (event.key === "Escape") plot.setCursor({ left: -10, top: -10 }, true, true);
    if (target === undefined) return;
    event.preventDefault();
    const at = plot.data[0][Math.min(Math.max(target, 0), last)];
    plot.setCursor({ left: plot.valToPos(at, "x"), top: 10 }, true, true);
  }

  function age(seconds) {
    const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
    const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) || [];
    return unit ? new Intl.RelativeTimeFormat("en").format(-Math.trunc(seconds / length), unit) : "just now";
  }

  function showAges() {
    for (const time of document.querySelectorAll("time[data-age]")) {
      time.title ||= time.textContent;
      time.textContent = age((Date.now() - Date.parse(time.dateTime)) / 1000);
    }
    const old = Date.now() / 1000 - data.now;
    if (old < data.oldAfter) return;
    const status = document.getElementById("status");
    status.className = "status warn";
    status.textContent = `This page was made ${age(old)}: what came later is missing`;
  }

  for (const axis of Object.values(data.axes)) {
    const [first, ...runs] = axis.at;
    axis.at = [first];
    for (const [step, times] of runs) for (let time = 0; time < times; time++) axis.at.push(axis.at[axis.at.length - 1] + step);
    axis.step = axis.at[1] - first;
  }
  for (const part of document.querySelectorAll(".charts, .ranges, #keys")) part.hidden = false;
  for (const details of document.querySelectorAll(".figures")) details.open = false;
  for (const chart of data.charts) {
    chart.box = document.getElementById(chart.id);
    chart.output = document.getElementById(`${chart.id}-out`);
    chart.summary = document.getElementById(`${chart.id}-range`);
    chart.label = chart.box.getAttribute("aria-label");
    chart.box.addEventListener("keydown", (event) => move(chart, event));
    chart.box.addEventListener("focus", () => chart.output.setAttribute("aria-live", "polite"));
    chart.box.addEventListener("blur", () => chart.output.setAttribute("aria-live", "off"));
    draw(chart);
  }
  const all = () => data.charts.forEach(draw);
  for (const input of document.querySelectorAll("input[name=range]")) input.addEventListener("change", all);
  dark.addEventListener("change", all);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) requestAnimationFrame(all);
    width = innerWidth;
  });
  showAges();
  setInterval(showAges, 60000);
})();
