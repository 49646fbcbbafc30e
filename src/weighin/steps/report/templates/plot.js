// One scatter plot with intervals, limits and the front, as an SVG string.

const SHAPES = [
  "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z", "M-4.5 -4.5H4.5V4.5H-4.5Z", "M0 -5.8L5.4 4.2H-5.4Z", "M0 -6.2L6.2 0L0 6.2L-6.2 0Z",
  "M0 5.8L5.4 -4.2H-5.4Z", "M-1.9 -5.5H1.9V-1.9H5.5V1.9H1.9V5.5H-1.9V1.9H-5.5V-1.9H-1.9Z", "M-5.5 -3.2L0 -6.2L5.5 -3.2V3.2L0 6.2L-5.5 3.2Z",
  "M-5.5 -3L-3 -5.5L0 -2.5L3 -5.5L5.5 -3L2.5 0L5.5 3L3 5.5L0 2.5L-3 5.5L-5.5 3L-2.5 0Z", "M0 -6.8L1.7 -2.2H6.5L2.7 .8L4 5.6L0 2.8L-4 5.6L-2.7 .8L-6.5 -2.2H-1.7Z",
  "M-5 -5.5H5L1.5 0L5 5.5H-5L-1.5 0Z",
];
const escapeText = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const short = (value) => (value === 0 ? "0" : Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3 ? value.toExponential(1).replace("e+", "e") : String(+value.toPrecision(3)));

function ticksFor(low, high, log) {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) for (const digit of [1, 2, 5]) found.push(digit * 10 ** power);
    const inside = found.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
    return inside.length > 7 ? inside.filter((tick) => /^1/.test(tick.toExponential())) : inside;
  }
  const rough = (high - low) / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((digit) => power * digit >= rough);
  const count = Math.floor((high - low) / step) + 1;
  return Array.from({ length: count }, (_, i) => (Math.ceil(low / step) + i) * step).filter((tick) => tick <= high);
}

// A scale from data (and a bound, when it is near) to pixels; logarithmic, where that is allowed, when positive values span
// more than a factor of 6. What goes up, mostly a score, stays linear: differences there are read as differences.
function scaleFor(values, bound, from, to, maybeLog) {
  let low = Math.min(...values), high = Math.max(...values);
  const log = maybeLog && low > 0 && high / low > 6;
  if (bound !== null && bound > (log ? low / 3 : low - (high - low)) && bound < (log ? high * 3 : high + (high - low))) {
    low = Math.min(low, bound); high = Math.max(high, bound);
  }
  const pad = log ? (high / low) ** 0.07 : (high - low) * 0.07 || Math.abs(high) * 0.05 || 1;
  [low, high] = log ? [low / pad, high * pad] : [low - pad, high + pad];
  const part = (value) => (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
  return { low, high, ticks: ticksFor(low, high, log), at: (value) => from + Math.min(1, Math.max(0, part(value))) * (to - from) };
}

// Points that no other point beats on both axes.
function frontOf(points, x, y) {
  const worse = (a, b, axis) => (axis.better === "higher" ? a < b : a > b);
  const beats = (p, q) => !worse(p.x.value, q.x.value, x) && !worse(p.y.value, q.y.value, y) && (p.x.value !== q.x.value || p.y.value !== q.y.value);
  return points.filter((q) => !points.some((p) => beats(p, q))).sort((a, b) => a.x.value - b.x.value);
}

function frontPath(points, x, y, sx, sy) {
  const front = frontOf(points, x, y);
  const corner = (a, b) => { // the corner that nobody has reached lies at the worse value of both
    const cx = x.better === "higher" ? Math.min(a.x.value, b.x.value) : Math.max(a.x.value, b.x.value);
    const cy = y.better === "higher" ? Math.min(a.y.value, b.y.value) : Math.max(a.y.value, b.y.value);
    return `L${sx.at(cx)} ${sy.at(cy)}`;
  };
  return front.map((p, i) => `${i ? corner(front[i - 1], p) : ""}${i ? "L" : "M"}${sx.at(p.x.value)} ${sy.at(p.y.value)}`).join("");
}

// Places each label where it hides neither a mark nor another label; without such a place it is left to pointing.
function placeLabels(points, width, height, left) {
  const taken = points.map((p) => [p.px - 8, p.py - 8, p.px + 8, p.py + 8]);
  const free = (box) => box[0] >= left && box[2] <= width && box[1] >= 0 && box[3] <= height && !taken.some((t) => box[0] < t[2] && box[2] > t[0] && box[1] < t[3] && box[3] > t[1]);
  for (const p of [...points].sort((a, b) => b.weight - a.weight)) {
    const w = p.text.length * 6.4, places = [[p.px + 9, p.py + 4, "start"], [p.px - 9, p.py + 4, "end"], [p.px, p.py - 11, "middle"], [p.px, p.py + 20, "middle"],
      [p.px + 7, p.py - 9, "start"], [p.px - 7, p.py - 9, "end"], [p.px + 7, p.py + 17, "start"], [p.px - 7, p.py + 17, "end"]];
    for (const [x, y, anchor] of places) {
      const start = anchor === "start" ? x : anchor === "end" ? x - w : x - w / 2, box = [start, y - 11, start + w, y + 3];
      if (!free(box)) continue;
      taken.push(box);
      p.labelAt = { x, y, anchor };
      break;
    }
  }
}

function limitShade(axis, scale, size, across) {
  if (axis.bound === null || axis.bound < scale.low || axis.bound > scale.high) return "";
  const at = scale.at(axis.bound), above = axis.op === "<=";
  const [left, right] = across ? (above ? [at, size.right] : [size.left, at]) : [size.left, size.right];
  const [top, bottom] = across ? [size.top, size.bottom] : above ? [size.top, at] : [at, size.bottom];
  const line = across ? `M${at} ${size.top}V${size.bottom}` : `M${size.left} ${at}H${size.right}`;
  return `<rect class="shade" x="${left}" y="${top}" width="${right - left}" height="${bottom - top}"/><path class="bound" d="${line}"/>`;
}

function gridFor(sx, sy, size) {
  const line = (path, x, y, anchor, value) => `<path class="grid" d="${path}"/><text class="tick" x="${x}" y="${y}" text-anchor="${anchor}">${short(value)}</text>`;
  const rows = sy.ticks.map((t) => line(`M${size.left} ${sy.at(t)}H${size.right}`, size.left - 8, sy.at(t) + 4, "end", t));
  const columns = sx.ticks.map((t) => line(`M${sx.at(t)} ${size.top}V${size.bottom}`, sx.at(t), size.bottom + 18, "middle", t));
  return [...rows, ...columns].join("");
}

function markFor(p, sx, sy) {
  const bars = [["x", sx], ["y", sy]].map(([key, s]) => {
    if (p[key].low === null || p[key].high === null) return "";
    const a = s.at(p[key].low), b = s.at(p[key].high);
    return key === "x" ? `M${a} ${p.py}H${b}` : `M${p.px} ${a}V${b}`;
  }).join("");
  const text = p.labelAt ? `<text x="${p.labelAt.x}" y="${p.labelAt.y}" text-anchor="${p.labelAt.anchor}">${escapeText(p.text)}</text>` : "";
  return `<g class="mark ${p.standing}" tabindex="0" role="img" aria-label="${escapeText(p.says)}" data-says="${escapeText(p.says)}">
    <path class="bar" d="${bars}"/><circle class="hit" cx="${p.px}" cy="${p.py}" r="13"/>
    <path class="shape" transform="translate(${p.px} ${p.py})" d="${SHAPES[p.shape % SHAPES.length]}" style="--share:${p.share ?? 1}"/>${text}</g>`;
}

// points: {x, y: {value, low, high}, shape, text, says, standing, share, weight, counts}; axes: {title, better, bound, op}.
function drawPlot(points, x, y, width, height) {
  const size = { left: 58, right: width - 10, top: 12, bottom: height - 46 };
  const ends = (key) => points.flatMap((p) => [p[key].low ?? p[key].value, p[key].value, p[key].high ?? p[key].value]);
  const sx = scaleFor(ends("x"), x.bound, size.left, size.right, true);
  const sy = scaleFor(ends("y"), y.bound, size.bottom, size.top, false);
  for (const p of points) Object.assign(p, { px: sx.at(p.x.value), py: sy.at(p.y.value), labelAt: null });
  placeLabels(points, size.right, size.bottom, size.left);
  const order = { out: 0, fits: 1, runner: 2, choice: 3 };
  const marks = [...points].sort((a, b) => order[a.standing] - order[b.standing]).map((p) => markFor(p, sx, sy)).join("");
  const direction = (axis) => `${escapeText(axis.title)} ${axis.better === "higher" ? "higher is better →" : "← lower is better"}`;
  const label = `${escapeText(y.title)} against ${escapeText(x.title)}`;
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="group" aria-label="${label}">
    ${gridFor(sx, sy, size)}${limitShade(x, sx, size, true)}${limitShade(y, sy, size, false)}
    <path class="frontier" d="${frontPath(points.filter((p) => p.counts), x, y, sx, sy)}"/>${marks}
    <text class="axis" x="${size.right}" y="${height - 6}" text-anchor="end">${direction(x)}</text>
    <text class="axis" transform="translate(13 ${size.top}) rotate(-90)" text-anchor="end">${direction(y)}</text></svg>`;
}
