"""Options that several verbs of the command line share, by one name and one text."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Runs = Annotated[Path | None, typer.Option("--runs", help="Folder of the runs (default: WEIGHIN_RUNS, or ./runs).")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a dial, such as recipe.minutes=10.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Runtimes = Annotated[list[str] | None, typer.Option("--runtime", help="A runtime, such as onnx:int8; may be repeated.")]
Data = Annotated[str | None, typer.Option("--data", help="A data set, such as synthetic or fonts:DIR; see `weighin families`.")]
Limits = Annotated[list[str] | None, typer.Option("--limit", metavar="LIMIT", help="Such as 'latency_p90_ms<=5'; repeatable.")]
Best = Annotated[str | None, typer.Option("--best", help="The measurement to make best (default: the family's primary score).")]
Ref = Annotated[str, typer.Argument(metavar="FAMILY/VARIANT")]
Profile = Annotated[str | None, typer.Option("--profile", help="Named limits: edge, server, batch, research.")]
Report = Annotated[Path, typer.Argument(help="A report.json, or its folder.")]


def print_json(value: Any) -> None:
    """A value on standard output, readable by machines and people."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n")
