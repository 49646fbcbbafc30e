"""The engine ``local``: one job after another, in this process."""

import importlib
from collections.abc import Sequence

from weighin.core.engine import Engine, Job, Outcome, Say, silent
from weighin.core.errors import WeighinError


class Local(Engine):
    """Runs jobs here, in order: on one machine the trainings share the cores anyway."""

    def map(self, jobs: Sequence[Job], say: Say = silent) -> list[Outcome]:
        """See :class:`Engine`."""
        return [_execute(job, say) for job in jobs]


def _execute(job: Job, say: Say) -> Outcome:
    step = importlib.import_module(f"weighin.steps.{job.verb}")
    try:
        return Outcome(result=step.run_job(job.arguments, say))
    except WeighinError as error:
        return Outcome(error=str(error))
