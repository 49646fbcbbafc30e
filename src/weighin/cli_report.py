"""The command line of a finished report: pick from it, verify it, add to it, hand it on."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import weighin
from weighin.cli_options import AsJson, Best, Limits, Profile, Report, Runs, print_json

verbs = typer.Typer()


@verbs.command()
def pick(
    source: Annotated[Path, typer.Option("--from", help="A report.json, or its folder.")] = Path("report.json"),
    best: Best = None,
    limit: Limits = None,
    profile: Profile = None,
    optimistic: Annotated[bool, typer.Option(help="Judge limits by the value, not by the safe end of its interval.")] = False,
    allow_imported: Annotated[bool, typer.Option(help="Let figures win that were measured elsewhere.")] = False,
    json: AsJson = False,
) -> None:
    """Which candidate to ship, under limits; exit code 1 when nothing fits."""
    from weighin import console
    from weighin.steps.pick import profile as named

    goal, limits = named(profile) if profile else (None, [])
    texts = [f"{x.name}{x.op}{x.bound!r}" for x in limits] + (limit or [])
    answer = weighin.pick(source, best=best or goal, limits=texts, optimistic=optimistic, allow_imported=allow_imported)
    if json:
        print_json(answer.model_dump(mode="json"))
    else:
        console.out.print(answer.sentence)
        for reason in answer.reasons:
            console.out.print(f"  {reason}")
    raise typer.Exit(0 if answer.choice else 1)


@verbs.command()
def verify(
    report: Report,
    again: Annotated[list[str] | None, typer.Option(help="quality or speed: also measure anew and say what moved.")] = None,
    runs: Runs = None,
) -> None:
    """Recompute every figure of a report from its evidence; exit code 1 when one differs."""
    from weighin import console

    differences = weighin.verify(report, again=again or (), runs=runs)
    for difference in differences:
        console.out.print(difference, soft_wrap=True)
    console.out.print("Every figure follows from its evidence." if not differences else f"{len(differences)} differences.")
    raise typer.Exit(1 if differences else 0)


@verbs.command()
def report(report: Report) -> None:
    """Write a finished report again from its evidence, with this version's statistics and pages."""
    from weighin import console
    from weighin.steps.refresh import refresh

    whole, files = refresh(report)
    console.out.print(whole.details["pick"]["sentence"])
    for path in files.values():
        console.out.print(str(path), soft_wrap=True)


@verbs.command()
def card(
    report: Report,
    variant: Annotated[str, typer.Option()],
    runtime: Annotated[str, typer.Option()],
    out: Annotated[Path, typer.Option(help="Folder for README.md and .eval_results/.")] = Path("card"),
    dataset: Annotated[str, typer.Option(metavar="OWNER/NAME", help="The hub's id of the data, for .eval_results/.")] = "",
    task: Annotated[str, typer.Option(help="The task's id in that data set.")] = "default",
) -> None:
    """A Hugging Face model card and, with --dataset, evaluation results of one candidate."""
    from weighin.steps.card import write
    from weighin.steps.overview import read

    whole = read(report)
    for path in write(whole, variant, runtime, out, dataset, task):
        sys.stdout.write(f"{path}\n")
    if not dataset:
        said = (
            f"weighin: no .eval_results/: the hub takes them only against a data set of its own, and {whole.data!r} has no id"
        )
        sys.stderr.write(f"{said} there that weighin knows. Name it with --dataset OWNER/NAME\n")


@verbs.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with the columns of report.csv, or a report.json.")],
    into: Annotated[Path, typer.Option(help="The report to add to: its folder, or its report.json.")],
) -> None:
    """Add other tools' figures to a report; they show, and win only with `pick --allow-imported`."""
    from weighin import console

    whole, added = weighin.import_measurements(file, into)
    for row in added:
        console.out.print(f"{row.label}: {len(row.measurements)} figures, {row.reason}", soft_wrap=True)
    console.out.print(whole.details["pick"]["sentence"])


@verbs.command()
def track(
    report: Report,
    uri: Annotated[str, typer.Option(help="An MLflow server or database; no folder.")] = "sqlite:///mlflow.db",
) -> None:
    """Log a report to MLflow: one run a candidate, with figures, settings, hashes and the page."""
    from weighin import console

    logged = weighin.track(report, uri)
    for label, number in logged.items():
        console.out.print(f"{label}: {number}", soft_wrap=True)
    console.out.print(f"{len(logged)} runs in {uri}; what was there already is not logged again.", soft_wrap=True)
