"""What the command line shows: progress with time left, tables, one sentence for a mistake."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

out = Console(markup=False, highlight=False, emoji=False)  # people's paths and words may hold [brackets]
err = Console(stderr=True, markup=False, highlight=False, emoji=False)


@contextmanager
def progress() -> Iterator[Callable[[str, float, str], None]]:
    """A ``say`` for the steps: a bar with the time left on a terminal, plain lines (one a tenth) elsewhere."""
    if not err.is_terminal:
        yield _plain()
        return
    what = TextColumn("{task.description}", markup=False)
    detail = TextColumn("{task.fields[detail]}", style="dim", markup=False)
    share = (BarColumn(bar_width=20), TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn(compact=True))
    with Progress(what, *share, detail, console=err) as bars:
        known: dict[str, TaskID] = {}

        def say(what: str, share: float, detail: str) -> None:
            if what not in known:
                known[what] = bars.add_task(what, total=1.0, detail=detail)
            bars.update(known[what], completed=share, detail=detail)

        yield say


def _plain() -> Callable[[str, float, str], None]:
    began: dict[str, float] = {}
    last: dict[str, int] = {}

    def say(what: str, share: float, detail: str) -> None:
        now = time.monotonic()
        since = now - began.setdefault(what, now)
        tenth = int(share * 10)
        if tenth == last.get(what):
            return
        last[what] = tenth
        left = f", {since / share - since:.0f} s left" if 0 < share < 1 and since > 1 else ""
        sys.stderr.write(f"{what}: {share:4.0%}{left}{'  ' + detail if detail else ''}\n")
        sys.stderr.flush()

    return say


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[int] = ()) -> None:
    """A table that fits the terminal; columns of numbers (``right``) are aligned."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        numeric = place in right
        made.add_column(heading, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in rows:
        made.add_row(*[str(cell) for cell in row])
    out.print(made)
