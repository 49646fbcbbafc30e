"""Engines run jobs; one that fails never takes the others with it."""

import pytest

from weighin.core import registry
from weighin.core.engine import Job, Outcome
from weighin.steps import train


def test_local_runs_in_order_and_keeps_failures(monkeypatch):
    from weighin.core.errors import RunError

    def run_job(arguments, say):
        say("x", 1.0, "")
        if arguments["n"] == 1:
            raise RunError("it is broken")
        return arguments["n"]

    monkeypatch.setattr(train, "run_job", run_job)
    heard = []
    jobs = [Job(verb="train", arguments={"n": n}) for n in range(3)]
    found = registry.engine("local").map(jobs, lambda *said: heard.append(said))
    assert found == [Outcome(result=0), Outcome(error="it is broken."), Outcome(result=2)]
    assert heard == [("x", 1.0, "")] * 3


def test_a_bug_is_not_swallowed(monkeypatch):
    monkeypatch.setattr(train, "run_job", lambda arguments, say: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        registry.engine("local").map([Job(verb="train", arguments={})])


def test_jobs_are_plain_json():
    job = Job(verb="train", arguments={"family": "points", "lineup": {"nano": {"recipe": {"lr": 0.1}}}})
    assert Job.model_validate_json(job.model_dump_json()) == job
