"""Measurements, candidates, reports, picks: what weighing leaves behind."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ConfigDict, Field

from weighin.core.config import Settings

Better = Literal["higher", "lower"]
Status = Literal["ok", "failed", "not measured", "imported"]


class Measurement(Settings):
    """One figure with everything that is needed to believe it, or to do it again."""

    name: str
    value: float
    unit: str
    better: Better | None = None  # None: a fact that does not rank, such as a count of classes
    low: float | None = None  # 95 % interval
    high: float | None = None
    n: int = Field(ge=0, description="examples, timed calls or processes behind the value")
    method: str
    family: str = ""
    variant: str = ""
    run: str = ""
    runtime: str = ""
    data: str = ""
    hardware: Mapping[str, Any] = Field(default_factory=dict)
    versions: Mapping[str, str] = Field(default_factory=dict)
    hashes: Mapping[str, str] = Field(default_factory=dict, description="weights, artefact, data, evidence")
    command: str = ""
    at: str = ""  # UTC, ISO 8601
    evidence: str = ""  # file in the run folder that the value is recomputed from


class Candidate(Settings):
    """A variant on a runtime. ``failed`` and ``not measured`` stay visible, with the reason."""

    variant: str
    runtime: str
    run: str = ""
    status: Status
    reason: str = ""
    about: str = ""
    settings: Mapping[str, Any] = Field(default_factory=dict)
    measurements: Sequence[Measurement] = ()

    @property
    def label(self) -> str:
        """``tiny @ onnx:int8``."""
        return f"{self.variant} @ {self.runtime}"

    def get(self, name: str) -> Measurement | None:
        """The measurement of that name, or None: not measured."""
        return next((m for m in self.measurements if m.name == name), None)


class Pair(Settings):
    """Two candidates on the same examples: first minus second."""

    first: str  # labels of candidates
    second: str
    score: str
    difference: float
    low: float
    high: float
    p: float  # Holm-corrected over all pairs of the report
    test: str
    different: bool
    more_needed: int | None = None  # examples needed to tell them apart, where they are not


class Report(Settings):
    """``report.json``: everything the document shows; ``weighin verify`` recomputes it from the evidence."""

    schema_version: int = Field(1, alias="schema")
    family: str
    about: str = ""
    data: str
    environment: Mapping[str, Any]
    primary: str
    scores: Sequence[Mapping[str, Any]] = ()  # name, unit, better, about
    candidates: Sequence[Candidate]
    pairs: Sequence[Pair] = ()
    front: Mapping[str, float] = Field(default_factory=dict, description="label -> share of draws on the Pareto front")
    notes: Mapping[str, Any] = Field(default_factory=dict, description="facts of the test set: size, groups, ceiling")
    details: Mapping[str, Any] = Field(
        default_factory=dict, description="by group, by kind, curves, worst examples, checks, noise floor"
    )
    command: str = ""
    at: str = ""

    model_config = ConfigDict(populate_by_name=True)


class Limit(Settings):
    """``size_mb<=12``: a limit on one measurement."""

    name: str
    op: Literal["<=", ">="]
    bound: float


class Bind(Settings):
    """How a chosen candidate stands to a limit: ``margin`` is what is left, in the limit's unit; negative where it fails."""

    limit: Limit
    value: float
    margin: float
    share: float  # margin as a share of the bound


class Exclusion(Settings):
    """A candidate that was not eligible, and every reason."""

    variant: str
    runtime: str
    reasons: Sequence[str]


class Named(Settings):
    """A candidate by name."""

    variant: str
    runtime: str


class Pick(Settings):
    """The answer: the choice under limits, why, how sure, and who else was near."""

    best: str
    limits: Sequence[Limit] = ()
    optimistic: bool = False
    choice: Named | None = None
    value: float | None = None
    reasons: Sequence[str] = ()
    binding: Sequence[Bind] = ()
    runner_up: Named | None = None
    difference: Pair | None = None  # choice against runner-up on the goal
    cheaper: Named | None = None  # fits, costs less, and cannot be told from the choice on the goal
    excluded: Sequence[Exclusion] = ()
    nearest: Named | None = None  # when nothing fits: the nearest miss
    relaxation: str = ""  # and the cheapest change of limits that lets something through
    sentence: str = ""  # the verdict in one sentence, and one more where something cheaper is as good
