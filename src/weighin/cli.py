"""The command line: one command a verb, each a few lines. Heavy libraries are imported inside the verbs.

What makes and uses models stands here; what works on a finished report in ``cli_report``.
"""

import errno
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

import weighin
from weighin.cli_options import AsJson, Best, Data, Limits, Profile, Ref, Runs, Runtimes, Sets, print_json
from weighin.cli_report import verbs
from weighin.cli_use import verbs as tools

app = typer.Typer(
    help="Puts a family of model variants on the scales and says, with evidence, which one to ship.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

INTERRUPTED = 130  # what Typer makes of Ctrl-C


def _settings(sets: list[str] | None, **more: Any) -> dict[str, Any]:
    from weighin.core.config import parse_settings

    return parse_settings(sets or []) | {key.replace("__", "."): value for key, value in more.items() if value is not None}


@app.command()
def families(json: AsJson = False) -> None:
    """The families that are found, what they are for, and the data they know."""
    from weighin import console
    from weighin.core import registry

    found, broken = _loaded(registry.family, weighin.family_names())
    if json:
        lines = [{"family": f.name, "about": f.about, "data": f.datas, "scores": [s.name for s in f.scores]} for f in found]
        return print_json(lines + [{"family": name, "error": why} for name, why in broken.items()])
    for f in found:
        console.out.print(f"{f.name}  {f.about}", style="bold")
        console.table(("  data", ""), [(f"  {spec}", about) for spec, about in f.datas.items()])
    for name, why in broken.items():
        console.out.print(f"{name}  {why}", style="dim")
    return None


def _loaded(load: Callable[[str], Any], names: Iterable[str]) -> tuple[list[Any], dict[str, str]]:
    """Plug-ins that can be loaded; and of the others, why not: one that is broken must not hide the rest."""
    from weighin.core.errors import WeighinError

    found, broken = [], {}
    for name in names:
        try:
            found.append(load(name))
        except WeighinError as error:
            broken[name] = str(error)
    return found, broken


@app.command()
def variants(family: str, json: AsJson = False) -> None:
    """The variants of a family: parameters (counted from the built model) and what each is."""
    from weighin import console

    found = weighin.variants(family)
    if json:
        return print_json(found)
    about = [f"{v['settings']['about']} ({v['why_not']})" if v["why_not"] else v["settings"]["about"] for v in found]
    rows = [(v["variant"], f"{v['parameters']:,}", f"{v['trainable']:,}", text) for v, text in zip(found, about)]
    return console.table(("variant", "parameters", "trainable", "about"), rows, right=(1, 2))


@app.command()
def runtimes(json: AsJson = False) -> None:
    """The runtimes that are found, and why one cannot run here."""
    from weighin import console
    from weighin.core import registry

    _, broken = _loaded(registry.precisions, registry.names("runtimes"))
    found = [registry.runtime(name) for name in registry.runtimes()]
    lines = [{"runtime": r.full_name, "why_not": r.why_not(), "deprecated": r.deprecated} for r in found]
    lines += [{"runtime": name, "why_not": why, "deprecated": ""} for name, why in broken.items()]
    if json:
        return print_json(lines)
    return console.table(
        ("runtime", "here"), [(line["runtime"], line["why_not"] or line["deprecated"] or "yes") for line in lines]
    )


@app.command()
def show(reference: Ref, sets: Sets = None) -> None:
    """A variant as YAML, to be edited and given back to `train`."""
    from weighin.core.config import to_yaml

    sys.stdout.write(to_yaml(weighin.variant(reference, settings=_settings(sets))))


@app.command()
def train(
    reference: Ref,
    file: Annotated[Path | None, typer.Argument(help="YAML laid over the variant.")] = None,
    sets: Sets = None,
    data: Data = None,
    runs: Runs = None,
    logger: Annotated[list[str] | None, typer.Option(help="tensorboard or mlflow, beside log.jsonl.")] = None,
) -> None:
    """Train a variant; an interrupted training goes on where it was."""
    from weighin import console

    with console.progress() as say:
        run = weighin.train(
            reference, file=file, settings=_settings(sets, recipe__data=data), runs=runs, say=say, loggers=logger or ()
        )
    console.out.print(str(run.path), soft_wrap=True)


@app.command()
def distill(
    reference: Ref,
    teacher: Annotated[str, typer.Option(help="A variant, or the folder of a run.")],
    sets: Sets = None,
    data: Data = None,
    runs: Runs = None,
) -> None:
    """Train a variant with a teacher."""
    from weighin import console

    with console.progress() as say:
        run = weighin.distill(reference, teacher, settings=_settings(sets, recipe__data=data), runs=runs, say=say)
    console.out.print(str(run.path), soft_wrap=True)


@app.command()
def export(
    run: Annotated[str, typer.Argument(metavar="RUN|FAMILY/VARIANT")], runtime: Runtimes = None, runs: Runs = None
) -> None:
    """Export a run to runtimes; each export is compared with the original."""
    from weighin import console

    with console.progress() as say:
        folders = weighin.export(run, runtime or (), runs=runs, say=say)
    for folder in folders:
        console.out.print(str(folder), soft_wrap=True)


@app.command()
def weigh(
    run: Annotated[list[str], typer.Argument(metavar="RUN|FAMILY/VARIANT...")],
    runtime: Runtimes = None,
    data: Data = None,
    examples: Annotated[int | None, typer.Option(help="Test examples at most.")] = None,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds of timing; 0: no timing.")] = 15,
    threads: int = 1,
    runs: Runs = None,
    json: AsJson = False,
) -> None:
    """Measure quality, latency, throughput, memory, size and cold start of runs, all in one session."""
    from weighin import console

    with console.progress() as say:
        how = {"examples": examples, "rounds": rounds, "threads": threads}
        rows = weighin.weigh(run, runtimes=runtime or (), data=data, runs=runs, say=say, **how)
    if json:
        return print_json([row.model_dump(mode="json") for row in rows])
    from weighin.steps.overview import overview

    return console.table(*overview(rows))


@app.command()
def compare(
    family: str,
    variant: Annotated[list[str] | None, typer.Option(help="A variant; repeatable (default: the family's choice).")] = None,
    run: Annotated[list[str] | None, typer.Option(help="A trained run to weigh, alone or beside variants; repeatable.")] = None,
    runtime: Runtimes = None,
    data: Data = None,
    minutes: Annotated[float | None, typer.Option(help="Training minutes of each variant (recipe.minutes).")] = None,
    sets: Sets = None,
    examples: Annotated[int | None, typer.Option(help="Test examples at most.")] = None,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds of timing.")] = 15,
    batch: Annotated[list[int] | None, typer.Option(help="Batches of the offline scenario.")] = None,
    threads: int = 1,
    best: Best = None,
    limit: Limits = None,
    profile: Profile = None,
    engine: str = "local",
    again: Annotated[list[str] | None, typer.Option(help="quality or speed: measure anew.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report (default: ./report-FAMILY).")] = None,
    runs: Runs = None,
) -> None:
    """**The main job**: train, export and weigh what is missing, and write the report; exit code 1 when all failed."""
    from weighin import console

    settings = _settings(sets, recipe__minutes=minutes)
    plan = {"variants": variant or (), "runtimes": runtime or (), "data": data, "settings": settings, "examples": examples}
    plan |= {"rounds": rounds, "threads": threads, "best": best, "limits": limit or (), "profile": profile}
    plan |= {"engine": engine, "again": again or ()}
    plan |= {"given": run or ()} | ({"batches": batch} if batch else {})
    with console.progress() as say:
        report = weighin.compare(family, runs=runs, out=out, say=say, **plan)
    from weighin.steps.overview import overview

    console.table(*overview(report.candidates))
    console.out.print(f"\n{report.details['pick']['sentence']}")
    console.out.print(f"Report: {Path(out or f'report-{family}') / 'report.html'}", soft_wrap=True)
    if not any(row.status == "ok" for row in report.candidates):
        raise typer.Exit(1)


@app.command()
def bench(family: str, data: Data = None, minutes: float | None = None, examples: int | None = None, runs: Runs = None) -> None:
    """Compare the family with its peers: variants that rebuild other people's systems."""
    from weighin.core import registry
    from weighin.core.errors import ConfigError

    found = registry.family(family)
    if not found.peers:
        raise ConfigError(f"{family} knows no peers to bench against")
    names = [*found.compared, *found.peers]
    compare(family, variant=names, data=data, minutes=minutes, examples=examples, runs=runs, out=Path(f"bench-{family}"))


@app.command()
def predict(
    reference: Annotated[str, typer.Argument(metavar="RUN|FAMILY/VARIANT")],
    path: Annotated[list[Path], typer.Argument(help="Files or folders.")],
    runtime: Annotated[str, typer.Option(help="Default: the untouched model in torch.")] = "",
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option(help="JSONL file; what stands in it is not done again.")] = None,
    runs: Runs = None,
    json: AsJson = False,
) -> None:
    """Answer files; exit code 2 when one was refused."""
    from weighin import console

    def emit(line: dict[str, Any]) -> None:
        sys.stdout.write((_line(line) if json or not sys.stdout.isatty() else _plain(line)) + "\n")

    def quiet(line: dict[str, Any]) -> None:
        if "error" in line:
            console.err.print(_plain(line), soft_wrap=True)

    with console.progress() as say:
        show = quiet if out else emit
        how = {"runtime": runtime, "out": out, "runs": runs, "settings": _settings(sets)}
        answered, refused = weighin.predict(reference, path, emit=show, say=say, **how)
    console.err.print(f"{answered} answered, {refused} refused")
    raise typer.Exit(2 if refused else 0)


def _line(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, default=str)


def _plain(line: dict[str, Any]) -> str:
    name = f"{line['file']}{' ' + line['part'] if 'part' in line else ''}"
    return f"{name}: {line.get('error') or line.get('written') or json.dumps(line['answer'], ensure_ascii=False)}"


app.add_typer(tools)
app.add_typer(verbs)  # after those above, in the order of work


def main() -> None:
    """Exit code 2 and one clear sentence for a user's mistake; a traceback only for a bug of ours."""
    from weighin.core.errors import WeighinError

    try:
        app()
    except WeighinError as error:
        sys.stderr.write(f"weighin: {error}\n")
        sys.exit(2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(f"weighin: The disk is full: {error}. Free some space and start again.\n")
        sys.exit(2)
    except SystemExit as ending:
        if ending.code == INTERRUPTED:
            sys.stderr.write("weighin: interrupted; the same command goes on where it was\n")
        raise


if __name__ == "__main__":
    main()
