"""Every family's nano on every runtime: parity, and the same answers through the predictor."""

import numpy as np
import pytest

from weighin.core import registry
from weighin.core.errors import ExportError
from weighin.steps.export import export
from weighin.steps.predictors import eager_predictor, export_record, load_predictor, parts_of

WORSE = 0.1  # of the primary score's value that a reduced precision may lose on these few examples


def test_nano_on_every_runtime(family, nano, run, test_examples, runtime):
    executor = registry.runtime(runtime)
    if executor.why_not():
        pytest.skip(executor.why_not())
    reduced = executor.precision not in executor.exact and any(p.precise for p in parts_of(family, nano, run).values())
    try:
        export(family, nano, run, runtime)
    except ExportError as error:
        if not reduced:
            raise
        assert export_record(run, runtime)["error"] in str(error), "a part that needs full precision is refused with a reason"
        return
    record = export_record(run, runtime)
    assert record and not record["error"]
    assert all(seen["passed"] and seen["n"] > 0 for seen in record["parity"].values())
    inputs, score = [e.x for e in test_examples], family.primary
    original = eager_predictor(family, nano, run)(inputs)
    answers = load_predictor(family, nano, run, runtime)(inputs)
    if executor.precision in executor.exact:
        assert [family.brief(y) for y in answers] == [family.brief(y) for y in original]
    values = []
    for found in (original, answers):
        tally = family.score(found, test_examples)[score.name]
        values.append(score.transform(tally.value.reshape(len(tally.value), -1).sum(0), tally.weight.sum()))
    assert np.isfinite(values[1]) if reduced else np.isclose(values[0], values[1], rtol=WORSE)
