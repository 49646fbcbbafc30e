"""The command line of families' own tools: `weighin use forcefields md ...`."""

from pathlib import Path
from typing import Annotated, Any

import typer

import weighin
from weighin.cli_options import AsJson, Runs, Sets, print_json

verbs = typer.Typer()


@verbs.command()
def use(
    family: str,
    tool: Annotated[str, typer.Argument(help="Its name; none: the tools that there are, and their dials.")] = "",
    path: Annotated[list[Path] | None, typer.Argument(help="Files or folders.")] = None,
    model: Annotated[list[str] | None, typer.Option(metavar="RUN|FAMILY/VARIANT", help="May be repeated.")] = None,
    runtime: Annotated[str, typer.Option(help="Default: the untouched model in torch.")] = "",
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option(help="Folder (default: ./FAMILY-TOOL); goes on with what is there.")] = None,
    runs: Runs = None,
    json: AsJson = False,
) -> None:
    """What a family does beside predicting: dynamics, an index, a collection; without a tool, what there is."""
    from weighin import console
    from weighin.core.config import parse_settings

    if not tool:
        return _list(family, json)
    how = {"models": model or (), "runtime": runtime, "settings": parse_settings(sets or []), "out": out, "runs": runs}
    with console.progress() as say:
        summary = weighin.use(family, tool, path or (), say=say, **how)
    if json or not isinstance(summary, dict):
        return print_json(summary)
    return console.table(("", ""), [(key, _plain(value)) for key, value in summary.items()])


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return ", ".join(_plain(item) for item in value) if isinstance(value, list) else str(value)


def _list(family: str, json: bool) -> None:
    """The tools of a family with their dials and defaults."""
    from weighin import console
    from weighin.core import registry

    tools = registry.family(family).tools()
    rows = [
        {"tool": name, "about": tool.about, "models": tool.models, "dials": tool.dials().model_dump(mode="json")}
        for name, tool in tools.items()
    ]
    if json:
        return print_json(rows)
    for row in rows:
        dials = " ".join(f"{key}={value}" for key, value in row["dials"].items())
        console.out.print(f"{row['tool']}  {row['about']}", style="bold")
        console.out.print(f"  --set {dials}" if dials else "  no dials", soft_wrap=True)
    if not rows:
        console.out.print(f"{family} has no tools beside the verbs.")
    return None
