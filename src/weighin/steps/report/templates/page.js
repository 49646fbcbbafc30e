// The live page: limits move the pick, the table and the plot. Without it the page is complete but still.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const names = new Map(data.names.map((name) => [name.key, name]));
const head = (name) => (name.unit ? `${name.title} (${name.unit})` : name.title);
const USUAL = ["quality_loss_pct", "latency_p90_ms", "cpu_ms_per_item", "peak_memory_mb", "size_mb", "throughput_per_s"];
const ACROSS = ["latency_p50_ms", "latency_p90_ms", "cpu_ms_per_item", "throughput_per_s", "size_mb", "peak_memory_mb", "cold_start_s", "train_cpu_minutes", "parameters"];
const state = { best: data.best, limits: data.limits.map((l) => ({ ...l })), optimistic: data.optimistic, imported: false };

// ---- limits

const opOf = (name) => (names.get(name).better === "higher" ? ">=" : "<=");
const limitOn = (name) => state.limits.find((l) => l.name === name && l.op === opOf(name));

function setLimit(name, bound) {
  state.limits = state.limits.filter((l) => !(l.name === name && l.op === opOf(name)));
  if (bound !== null) state.limits.push({ name, op: opOf(name), bound });
}

function reachOf(name) {
  const limit = { name, op: opOf(name) }, goal = { scores: data.scores };
  const ends = data.candidates.filter((c) => c.measured[name]).map((c) => safeEnd(c, limit, goal) ?? c.measured[name].value);
  const low = Math.min(...ends), high = Math.max(...ends);
  return { low, high, log: low > 0 && high / low > 6 };
}

// A slider has 200 steps; its far end (right for "at most", left for "at least") is no limit.
function boundAt(name, step) {
  const { low, high, log } = reachOf(name), part = step / 200;
  const bound = log ? low * (high / low) ** part : low + (high - low) * part;
  return +bound.toPrecision(high - low < 0.1 * Math.abs(high) ? 4 : 3);
}
function stepAt(name, bound) {
  const { low, high, log } = reachOf(name);
  const part = high === low ? 1 : log ? Math.log(Math.max(bound, low) / low) / Math.log(high / low) : (bound - low) / (high - low);
  return Math.round(200 * Math.min(1, Math.max(0, part)));
}
const freeStep = (name) => (opOf(name) === "<=" ? 200 : 0);

function dialFor(name) {
  const row = document.createElement("div"), words = `${names.get(name).title}, ${opOf(name) === "<=" ? "at most" : "at least"}`;
  row.className = "dial";
  row.innerHTML = `<label for="at-${name}">${escapeText(names.get(name).title)} <small>${escapeText(names.get(name).unit)}</small></label>
    <span class="op" aria-hidden="true">${opOf(name) === "<=" ? "≤" : "≥"}</span>
    <input type="number" id="at-${name}" step="any" placeholder="any" aria-label="${escapeText(words)}">
    <input type="range" id="slide-${name}" min="0" max="200" aria-label="${escapeText(words)}, slider"><output for="at-${name}"></output>`;
  const [box, slider] = row.querySelectorAll("input");
  box.addEventListener("input", () => { setLimit(name, box.value === "" || !Number.isFinite(box.valueAsNumber) ? null : box.valueAsNumber); update(box); });
  slider.addEventListener("input", () => { setLimit(name, +slider.value === freeStep(name) ? null : boundAt(name, +slider.value)); update(slider); });
  return row;
}

function buildDials() {
  const able = data.names.filter((name) => name.better).map((name) => name.key);
  const usual = [data.primary, ...USUAL].filter((name) => able.includes(name));
  const limited = able.filter((name) => !usual.includes(name) && (data.limits.some((l) => l.name === name)));
  byId("dials").append(...[...usual, ...limited].map(dialFor));
  const more = able.filter((name) => !usual.includes(name) && !limited.includes(name));
  if (!more.length) return;
  const folded = document.createElement("details");
  folded.innerHTML = "<summary>More limits</summary>";
  folded.append(...more.map(dialFor));
  byId("dials").append(folded);
}

function showDials(result, source) {
  for (const row of byId("dials").querySelectorAll(".dial")) {
    const [box, slider] = row.querySelectorAll("input"), name = box.id.slice(3), limit = limitOn(name);
    if (box !== source) box.value = limit ? limit.bound : "";
    if (slider !== source) slider.value = limit ? stepAt(name, limit.bound) : freeStep(name);
    slider.setAttribute("aria-valuetext", limit ? String(limit.bound) : "no limit");
    const out = result.excluded.filter((e) => e.missed.includes(name)).length;
    row.querySelector("output").textContent = limit ? (out ? `rules out ${out}` : "rules out none") : "";
    row.classList.toggle("set", Boolean(limit));
  }
}

// ---- the answer in words

const textOf = (candidate, name) => candidate.measured[name]?.text ?? "not measured";
const percentOf = (share) => `${+(100 * share).toPrecision(2)} %`;
const limitText = (l) => `${l.name}${l.op}${l.bound}`;

function answerWords(result) {
  const name = names.get(state.best) ?? { title: state.best };
  if (!result.choice) return "Nothing fits these limits.";
  const count = result.fitting.length;
  return `Ship ${result.choice.label}: ${name.title} ${textOf(result.choice, state.best)}, ${count === 1 ? "the only one that fits" : `the best of ${count} that fit`}.`;
}

function whyWords(result) {
  const said = [];
  if (result.choice && result.runnerUp) said.push(`Runner-up: ${result.runnerUp.label}, ${textOf(result.runnerUp, state.best)}${differenceWords(result)}.`);
  if (result.cheaper) said.push(cheaperWords(result));
  const [near] = result.binding;
  if (near) said.push(`Closest limit: ${limitText(near.limit)}, ${percentOf(near.share)} to spare.`);
  for (const { limit, instead } of result.binding) if (instead) said.push(`Without ${limitText(limit)}: ${instead.label}, ${textOf(instead, state.best)}.`);
  if (result.nearest) said.push(`Nearest is ${result.nearest.label}; it would fit with ${relaxedWords(result)}.`);
  else if (!result.choice) said.push("No candidate has evidence for all of them.");
  return said.join(" ");
}

function cheaperWords(result) {
  const found = gains(result.choice, result.cheaper, asked()), listOf = (all) => (all.length > 1 ? `${all.slice(0, -1).join(", ")} and ${all.at(-1)}` : all[0]);
  const won = Object.entries(found).map(([name, factor]) => `${factor.toFixed(factor < 9.95 ? 1 : 0)} times ${COSTS[name]}`);
  return `${result.cheaper.label} is ${listOf(won)}, and cannot be told from the choice: ${textOf(result.cheaper, state.best)}.`;
}

function relaxedWords(result) {
  return result.relaxed.filter((limit, i) => limit !== state.limits[i]).map(limitText).join(" and ");
}

function differenceWords(result) {
  const labels = [result.choice.label, result.runnerUp.label];
  const pair = data.pairs.find((p) => p.score === state.best && labels.includes(p.first) && labels.includes(p.second));
  if (!pair) return "";
  return pair.different ? "; the difference is real" : "; the two cannot be told apart";
}

function commandWords() {
  const limits = state.limits.map((l) => ` --limit "${limitText(l)}"`).join("");
  return `weighin pick --from report.json --best ${state.best}${limits}${state.optimistic ? " --optimistic" : ""}${state.imported ? " --allow-imported" : ""}`;
}

// ---- table

function standing(result, candidate) {
  if (candidate === result.choice) return ["choice", "choice", 0];
  if (candidate === result.runnerUp) return ["runner", "runner-up", 1];
  const out = result.excluded.find((e) => e.candidate === candidate);
  if (!out) return ["fits", "fits", 2];
  const missed = [...new Set(out.missed)].map((name) => names.get(name)?.title ?? name);
  return ["out", missed.length ? missed.map((title) => `fails ${title}`).join("\n") : candidate.status === "ok" ? `no ${state.best}` : candidate.status, 3];
}

function showTable(result) {
  for (const row of document.querySelectorAll("table.main tbody tr")) {
    const candidate = data.candidates[row.dataset.row], cell = row.querySelector("td.stands"), [kind, words, order] = standing(result, candidate);
    row.classList.remove("choice", "runner", "fits", "out");
    row.classList.add(kind);
    const missed = result.excluded.find((e) => e.candidate === candidate)?.missed ?? [];
    for (const td of row.querySelectorAll("td[data-name]")) td.classList.toggle("missed", missed.includes(td.dataset.name));
    if (!Object.keys(candidate.measured).length) continue;
    cell.textContent = words;
    cell.dataset.v = order;
  }
}

function makeSortable(th) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "sort" });
  button.setAttribute("aria-label", `Sort by ${th.abbr}`);
  button.addEventListener("click", () => sortBy(th));
  th.append(button);
}

function sortBy(th) {
  const index = [...th.parentNode.children].indexOf(th), body = th.closest("table").tBodies[0];
  const down = th.getAttribute("aria-sort") === "ascending";
  for (const other of th.parentNode.children) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  th.setAttribute("aria-sort", down ? "descending" : "ascending");
  const valueOf = (row) => { const text = row.children[index]?.dataset.v; return text === undefined || text === "" ? null : +text; };
  const compare = (a, b) => {
    const [va, vb] = [valueOf(a), valueOf(b)];
    if (va === null || vb === null) return (va === null) - (vb === null); // what was not measured stays last
    return down ? vb - va : va - vb;
  };
  body.append(...[...body.rows].sort(compare));
}

// ---- plot

const SAYS = "Point at a mark, or tab to it, for its figures.";
const variantNames = [...new Set(data.candidates.map((c) => c.variant))];

// shares: whether the shares of draws were made for these two axes
function pointFor(candidate, result, x, y, shares) {
  const [standsAs] = standing(result, candidate), share = shares ? data.front[candidate.label] ?? null : null;
  const imported = candidate.status === "imported";
  const often = share === null ? "" : `, on the front in ${percentOf(share)} of draws`;
  const figures = `${x.title} ${textOf(candidate, x.key)} ${x.unit}, ${y.title} ${textOf(candidate, y.key)} ${y.unit}`;
  return {
    x: candidate.measured[x.key], y: candidate.measured[y.key], shape: variantNames.indexOf(candidate.variant), standing: standsAs, share,
    text: (standsAs === "choice" ? candidate.label : candidate.runtime) + (imported ? " (imported)" : "") + (share >= 0.05 ? ` ${percentOf(share)}` : ""),
    says: `${candidate.label}: ${figures}${often}${imported ? ", imported" : ""}.`,
    weight: (standsAs === "choice" ? 9 : standsAs === "runner" ? 3 : 0) + (share ?? 0),
    counts: candidate.status === "ok",
  };
}

function legendWords(shares, missing) {
  const shape = (i) => `<svg viewBox="-8 -8 16 16" width="14" height="14" aria-hidden="true"><path d="${SHAPES[i % SHAPES.length]}"/></svg>`;
  const front = shares
    ? "The fuller a mark, the larger the share of bootstrap draws in which it is on the front (in per cent beside it); the dashed line joins the points."
    : "The dashed line is the front of the points; its shares are for other axes.";
  const absent = missing ? ` ${missing} of ${data.candidates.length} candidates lack a figure and are not drawn.` : "";
  return `<p class="legend">${variantNames.map((name, i) => `<span>${shape(i)} ${escapeText(name)}</span>`).join(" ")}</p>
    <p>Bars are 95 % intervals; hollow marks do not fit. ${front}${absent}</p><p id="says">${SAYS}</p>`;
}

function showPlot(result) {
  const [x, y] = [byId("x").value, byId("y").value].map((key) => names.get(key)), host = byId("plot");
  const shares = [x.key, y.key].every((key) => data.front_axes.includes(key));
  const drawn = data.candidates.filter((c) => c.measured[x.key] && c.measured[y.key]);
  const axis = (name) => ({ title: head(name), better: name.better, bound: limitOn(name.key)?.bound ?? null, op: opOf(name.key) });
  const width = Math.max(300, host.clientWidth), height = Math.round(Math.min(460, Math.max(300, width * 0.66)));
  host.innerHTML = drawn.length
    ? drawPlot(drawn.map((c) => pointFor(c, result, x, y, shares)), axis(x), axis(y), width, height)
    : `<p class="none">No candidate has both: not measured</p>`;
  byId("plot-note").innerHTML = legendWords(shares, data.candidates.length - drawn.length);
  for (const mark of host.querySelectorAll(".mark")) {
    for (const event of ["pointerenter", "focus"]) mark.addEventListener(event, () => { byId("says").textContent = mark.dataset.says; });
    for (const event of ["pointerleave", "blur"]) mark.addEventListener(event, () => { byId("says").textContent = SAYS; });
  }
}

// ---- all of it

const asked = () => ({ ...state, better: names.get(state.best)?.better, scores: data.scores, pairs: data.pairs });

function update(source) {
  const result = pick(data.candidates, asked());
  const words = answerWords(result);
  if (byId("answer").textContent !== words) byId("answer").textContent = words; // else a screen reader would repeat it
  byId("why").textContent = whyWords(result);
  byId("command").textContent = commandWords();
  byId("best").value = state.best;
  byId("optimistic").checked = state.optimistic;
  showDials(result, source);
  showTable(result);
  showPlot(result);
}

function fillSelect(id, keys, chosen) {
  byId(id).innerHTML = keys.map((key) => `<option value="${escapeText(key)}">${escapeText(head(names.get(key)))}</option>`).join("");
  byId(id).value = keys.includes(chosen) ? chosen : keys[0];
}

function start() {
  document.body.classList.add("script");
  const able = data.names.filter((name) => name.better).map((name) => name.key);
  const across = [...ACROSS.filter((name) => able.includes(name)), ...able.filter((name) => !ACROSS.includes(name) && !data.scores.includes(name))];
  const up = data.scores.filter((name) => names.has(name));
  if (!across.length || !up.length) { byId("choose").hidden = true; return; }
  buildDials();
  fillSelect("best", able, state.best);
  fillSelect("x", across, data.front_axes.find((name) => across.includes(name)));
  fillSelect("y", up, data.primary);
  const starts = { default: { best: data.best, limits: data.limits }, ...data.profiles, "no limits": { best: data.primary, limits: [] } };
  for (const [name, goal] of Object.entries(starts)) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    button.addEventListener("click", () => { Object.assign(state, { best: goal.best, limits: goal.limits.map((l) => ({ ...l })) }); update(); });
    byId("profiles").append(button);
  }
  byId("imported-row").hidden = !data.candidates.some((c) => c.status === "imported");
  byId("best").addEventListener("change", (event) => { state.best = event.target.value; update(); });
  byId("optimistic").addEventListener("change", (event) => { state.optimistic = event.target.checked; update(); });
  byId("imported").addEventListener("change", (event) => { state.imported = event.target.checked; update(); });
  for (const id of ["x", "y"]) byId(id).addEventListener("change", () => update());
  byId("copy").addEventListener("click", () => { navigator.clipboard?.writeText(byId("command").textContent); byId("copy").textContent = "Copied"; });
  document.querySelectorAll("th[aria-sort]").forEach(makeSortable);
  addEventListener("resize", () => update());
  addEventListener("beforeprint", () => { for (const folded of document.querySelectorAll("main details:not(.bulk)")) folded.open = true; });
  update();
}

start();
