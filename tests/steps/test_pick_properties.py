"""What must hold of the chooser for any made-up measurements, drawn by hypothesis so that every trade-off is forced."""

from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import NAMES, figure, name_of, report

from weighin.core.result import Candidate, Limit, Pick
from weighin.steps.limits import goal_of
from weighin.steps.pick import pick, relaxed

SENSE = {name: "<=" if better == "lower" else ">=" for name, better in NAMES.items()}
VALUES = (0.5, 1.0, 2.0, 3.0, 5.0)  # few, so that ties and exact bounds happen

figures = st.builds(
    lambda value, half, n: (value, half, n),
    st.sampled_from(VALUES),
    st.sampled_from((None, 0.0, 0.25, 1.0)),
    st.sampled_from((0, 1, 30)),
)
rows_drawn = st.lists(
    st.tuples(
        st.sampled_from(("ok", "ok", "ok", "ok", "failed", "not measured", "imported")),
        st.dictionaries(st.sampled_from(tuple(NAMES)), figures, min_size=2),
    ),
    max_size=7,
)
names_drawn, bounds_drawn, ops_drawn = (st.sampled_from(tuple(x)) for x in (NAMES, VALUES, ("<=", ">=")))
limits_drawn = st.lists(st.builds(Limit, name=names_drawn, op=ops_drawn, bound=bounds_drawn), max_size=3)
sensible = st.lists(  # limits from the good side only, so that "worse" has one meaning
    st.builds(lambda name, bound: Limit(name=name, op=SENSE[name], bound=bound), names_drawn, bounds_drawn), max_size=3
)
bests = st.sampled_from(tuple(NAMES))


def built(drawn: list[tuple[str, dict[str, tuple[float, float | None, int]]]]) -> list[Candidate]:
    return [
        Candidate(variant=f"v{i}", runtime="onnx", status=status, measurements=[figure(k, *v) for k, v in values.items()])
        for i, (status, values) in enumerate(drawn)
    ]  # fmt: skip


def holds(candidate: Candidate, limit: Limit) -> bool:
    """The rule once more, in other words: is it proved that the limit is met?"""
    found = candidate.get(limit.name)
    if found is None or found.n == 0:
        return False
    if found.low is None or found.high is None:
        worst = found.value if found.n == 1 and limit.name != "top1" else None
    else:
        worst = max(found.low, found.high) if limit.op == "<=" else min(found.low, found.high)
    return worst is not None and (worst <= limit.bound if limit.op == "<=" else worst >= limit.bound)


def proved(candidate: Candidate, best: str, limits: list[Limit]) -> bool:
    goal = candidate.get(best)
    return candidate.status == "ok" and goal is not None and goal.n > 0 and all(holds(candidate, limit) for limit in limits)


def goodness(answer: Pick) -> float:
    """The goal's value, more is better, nothing is worst."""
    if answer.value is None:
        return float("-inf")
    return answer.value if NAMES[answer.best] == "higher" else -answer.value


@given(rows_drawn, limits_drawn, bests)
def test_the_choice_is_the_best_of_what_is_proved_and_everything_else_has_a_reason(drawn, limits, best):
    rows = built(drawn)
    answer = pick(report(*rows), best, limits)
    fits = [c for c in rows if proved(c, best, limits)]
    sign = 1 if NAMES[best] == "higher" else -1
    assert (answer.choice is None) == (not fits)
    if fits:
        assert answer.value == sign * max(sign * c.get(best).value for c in fits)
        assert name_of(answer) in {c.variant for c in fits}
        assert (answer.runner_up is None) == (len(fits) == 1)
        assert all(bind.margin >= 0 for bind in answer.binding) and len(answer.binding) == len(limits)
    assert {e.variant for e in answer.excluded} == {c.variant for c in rows} - {c.variant for c in fits}
    assert all(e.reasons for e in answer.excluded)
    assert answer.sentence.endswith(".")


@given(rows_drawn, limits_drawn, bests, st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters(drawn, limits, best, random):
    rows = built(drawn)
    shuffled = random.sample(rows, len(rows))
    assert pick(report(*rows), best, limits) == pick(report(*shuffled), best, limits)


@given(rows_drawn, limits_drawn, bests, st.sampled_from(tuple(NAMES)))
def test_evidence_taken_away_never_helps(drawn, limits, best, lost):
    rows = built(drawn)
    before = pick(report(*rows), best, limits)
    for i, candidate in enumerate(rows):
        poorer = candidate.model_copy(update={"measurements": [m for m in candidate.measurements if m.name != lost]})
        after = pick(report(*rows[:i], poorer, *rows[i + 1 :]), best, limits)
        asked = lost in {best, *(limit.name for limit in limits)}
        assert not (asked and name_of(after) == candidate.variant)
        if lost != "size_mb":  # which breaks ties
            assert name_of(after) != candidate.variant or name_of(before) == candidate.variant


@given(rows_drawn, sensible, bests, st.integers(0, 6), st.sampled_from((0.0, 0.125, 2.0)))
def test_a_dominated_candidate_changes_nothing(drawn, limits, best, place, by):
    rows = built(drawn)
    if not rows:
        return
    model = rows[place % len(rows)]
    worse = [
        figure(m.name, m.value - (by if m.better == "higher" else -by), None if m.low is None else m.value - m.low, m.n)
        for m in model.measurements
    ]
    dominated = model.model_copy(update={"variant": "zz dominated", "measurements": worse})
    before, after = pick(report(*rows), best, limits), pick(report(*rows, dominated), best, limits)
    for part in ("choice", "value", "binding", "nearest", "relaxation"):
        assert getattr(after, part) == getattr(before, part), part
    kept = [e for e in after.excluded if e.variant != "zz dominated"]
    assert kept == list(before.excluded)


@given(rows_drawn, limits_drawn, bests, st.integers(0, 2), st.sampled_from((0.25, 1.0, 3.0)))
def test_tightening_a_limit_never_improves_the_goal(drawn, limits, best, place, by):
    whole = report(*built(drawn))
    tighter = list(limits)
    if tighter:
        old = tighter[place % len(tighter)]
        tighter[place % len(tighter)] = old.model_copy(update={"bound": old.bound - by if old.op == "<=" else old.bound + by})
    one_more = [*limits, Limit(name="size_mb", op="<=", bound=by)]
    loose = goodness(pick(whole, best, limits))
    assert goodness(pick(whole, best, tighter)) <= loose
    assert goodness(pick(whole, best, one_more)) <= loose


@given(rows_drawn, limits_drawn, bests)
def test_optimism_and_imports_only_ever_let_more_through(drawn, limits, best):
    whole = report(*built(drawn))
    plain = goodness(pick(whole, best, limits))
    assert plain <= goodness(pick(whole, best, limits, optimistic=True))
    assert plain <= goodness(pick(whole, best, limits, allow_imported=True))


@given(rows_drawn, limits_drawn, bests)
def test_when_nothing_fits_the_relaxation_lets_the_nearest_through(drawn, limits, best):
    rows = built(drawn)
    answer = pick(report(*rows), best, limits)
    near = [
        c for c in rows if proved(c, best, [Limit(name=x.name, op=x.op, bound=99 if x.op == "<=" else -99) for x in limits])
    ]
    assert (answer.nearest is not None) == (answer.choice is None and bool(near))
    if answer.nearest:
        nearest = next(c for c in rows if c.variant == answer.nearest.variant)
        moved = list(relaxed(nearest, goal_of(report(*rows), best, limits, False, False)))
        assert proved(nearest, best, moved) and moved != limits
        assert pick(report(*rows), best, moved).choice is not None
        assert all(miss(nearest, limits) <= miss(c, limits) + 1e-12 for c in near)


def miss(candidate: Candidate, limits: list[Limit]) -> float:
    """Sum of what is missed, as shares of the bounds."""
    total = 0.0
    for limit in limits:
        found = candidate.get(limit.name)
        end = (found.high if limit.op == "<=" else found.low) if found.low is not None else found.value
        total += max(0.0, end - limit.bound if limit.op == "<=" else limit.bound - end) / limit.bound
    return total


@settings(max_examples=30)
@given(st.floats(-1e6, 1e6), st.sampled_from(("<=", ">=")))
def test_a_relaxed_bound_passes_and_is_near(value, op):
    made = Limit(name="size_mb", op=op, bound=value - 1e7 if op == "<=" else value + 1e7)
    candidate = Candidate(variant="a", runtime="onnx", status="ok", measurements=[figure("size_mb", value, n=1)])
    (moved,) = relaxed(candidate, goal_of(report(candidate), "size_mb", [made], False, False))
    assert (moved.bound >= value) if op == "<=" else (moved.bound <= value)
    assert abs(moved.bound - value) <= 0.01 * abs(value)
