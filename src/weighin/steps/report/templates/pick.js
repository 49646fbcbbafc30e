"use strict";
// The rules 1 to 7 of weighin/steps/pick.py, for the live page. A test holds the two against each other.

const scaleOf = (limit) => (Math.abs(limit.bound) >= 1e-9 ? Math.abs(limit.bound) : 1);

function counting(candidate, name) { // rule 1
  const found = candidate.measured[name];
  return found && found.n >= 1 ? found : null;
}

function takesPart(candidate, goal) { // rule 2
  const allowed = candidate.status === "ok" || (candidate.status === "imported" && goal.imported);
  return allowed && counting(candidate, goal.best) !== null;
}

function safeEnd(candidate, limit, goal) { // rule 3; null: no evidence, or too little
  const found = counting(candidate, limit.name);
  if (!found) return null;
  const end = limit.op === "<=" ? found.high : found.low;
  const counted = found.n === 1 && !goal.scores.includes(limit.name);
  return goal.optimistic || (counted && end === null) ? found.value : end;
}

function shortfall(candidate, limit, goal) {
  const end = safeEnd(candidate, limit, goal);
  if (end === null) return Infinity;
  return Math.max(0, limit.op === "<=" ? end - limit.bound : limit.bound - end) / scaleOf(limit);
}

function fits(candidate, goal, limits = goal.limits) {
  return takesPart(candidate, goal) && limits.every((limit) => shortfall(candidate, limit, goal) === 0);
}

function worth(candidate, goal) { // less is better
  const found = counting(candidate, goal.best);
  return found ? (goal.better === "higher" ? -found.value : found.value) : Infinity;
}

function byCodePoint(a, b) { // not by UTF-16 unit, as < would
  const [one, two] = [a, b].map((text) => Array.from(text, (c) => c.codePointAt(0)));
  const at = one.findIndex((code, i) => code !== two[i]);
  return at < 0 ? one.length - two.length : one[at] - (two[at] ?? -1);
}

function compareRank(a, b, goal) { // rule 4
  const numbers = (c) => [worth(c, goal), ...["size_mb", "cpu_ms_per_item"].map((name) => counting(c, name)?.value ?? Infinity)];
  const [one, two] = [numbers(a), numbers(b)];
  const at = one.findIndex((value, i) => value !== two[i]);
  return at >= 0 ? (one[at] < two[at] ? -1 : 1) : byCodePoint(a.label, b.label) || byCodePoint(a.run, b.run);
}

const ranked = (candidates, goal) => [...candidates].sort((a, b) => compareRank(a, b, goal));

function bindings(candidates, choice, goal) { // rule 5, the closest limit first
  return goal.limits.map((limit, number) => {
    const end = safeEnd(choice, limit, goal), margin = limit.op === "<=" ? limit.bound - end : end - limit.bound;
    const rest = goal.limits.filter((_, other) => other !== number);
    const instead = ranked(candidates.filter((c) => fits(c, goal, rest)), goal)[0];
    return { limit, value: end, margin, share: margin / scaleOf(limit), instead: worth(instead, goal) < worth(choice, goal) ? instead : null };
  }).sort((a, b) => a.share - b.share);
}

function outward(value, op) { // to three digits of the value as written, to the side that lets it pass
  const [mantissa, power] = Math.abs(value).toExponential().split("e"), digits = mantissa.replace(".", "").padEnd(3, "0");
  const away = (op === "<=") === (value > 0) && /[1-9]/.test(digits.slice(3));
  return Math.sign(value) * Number(`${Number(digits.slice(0, 3)) + (away ? 1 : 0)}e${power - 2}`);
}

function nearestMiss(candidates, goal) { // rule 6
  const miss = (c) => goal.limits.reduce((sum, limit) => sum + shortfall(c, limit, goal), 0);
  const near = candidates.filter((c) => takesPart(c, goal) && Number.isFinite(miss(c)));
  const [nearest] = near.sort((a, b) => miss(a) - miss(b) || compareRank(a, b, goal));
  if (!nearest) return { nearest: null, relaxed: [] };
  const relaxed = goal.limits.map((limit) => (shortfall(nearest, limit, goal) > 0 ? { ...limit, bound: outward(safeEnd(nearest, limit, goal), limit.op) } : limit));
  return { nearest, relaxed };
}

const COSTS = { latency_p50_ms: "faster", size_mb: "smaller", peak_memory_mb: "lighter in memory" }, CLEAR = 1.1, LEAST = 1e-9; // rule 7

function ends(candidate, name, goal) { // the interval; of a counted fact, the fact
  const found = counting(candidate, name);
  if (!found) return null;
  if (found.low !== null && found.high !== null) return [found.low, found.high];
  return found.n === 1 && !goal.scores.includes(name) ? [found.value, found.value] : null;
}

function pairOf(goal, one, two) {
  return goal.pairs.find((p) => p.score === goal.best && ((p.first === one.label && p.second === two.label) || (p.first === two.label && p.second === one.label)));
}

function alike(one, two, goal) {
  const pair = pairOf(goal, one, two);
  if (pair) return !pair.different;
  const [first, second] = [one, two].map((c) => ends(c, goal.best, goal));
  return Boolean(first && second && first[0] <= second[1] && second[0] <= first[1]);
}

function gains(choice, other, goal) {
  const found = {};
  for (const name of Object.keys(COSTS)) {
    const [mine, theirs] = [choice, other].map((c) => ends(c, name, goal));
    if (!mine || !theirs || !(theirs[1] < mine[0])) continue;
    const [value, less] = [choice, other].map((c) => c.measured[name].value);
    if (value >= CLEAR * less) found[name] = value / Math.max(less, LEAST);
  }
  return found;
}

function cheaper(fitting, goal) {
  const [choice, ...rest] = fitting;
  const product = (c) => Object.keys(COSTS).reduce((p, name) => {
    const [mine, theirs] = [choice, c].map((one) => counting(one, name));
    return mine && theirs ? p * (mine.value / Math.max(theirs.value, LEAST)) : p;
  }, 1.0);
  const found = rest.filter((c) => alike(choice, c, goal) && Object.keys(gains(choice, c, goal)).length && !Object.keys(gains(c, choice, goal)).length);
  return found.sort((a, b) => product(b) - product(a) || compareRank(a, b, goal))[0] ?? null;
}

// goal: {best, better, limits: [{name, op, bound}], optimistic, imported, scores, pairs}.
function pick(candidates, goal) {
  const fitting = ranked(candidates.filter((c) => fits(c, goal)), goal);
  const excluded = candidates.filter((c) => !fits(c, goal)).map((candidate) => ({
    candidate, missed: takesPart(candidate, goal) ? goal.limits.filter((limit) => shortfall(candidate, limit, goal) > 0).map((limit) => limit.name) : [],
  }));
  const [choice = null, runnerUp = null] = fitting;
  const rest = choice ? { nearest: null, relaxed: [] } : nearestMiss(candidates, goal);
  return { choice, runnerUp, cheaper: choice ? cheaper(fitting, goal) : null, fitting, excluded, binding: choice ? bindings(candidates, choice, goal) : [], ...rest };
}
