"""`bench env`: build, show, remove and lock the backends' environments."""

from typing import Annotated

import typer

from bench.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    help="""Build, show, remove and lock the backends' environments.

    No two frameworks here fit into one Python environment, so each backend has one of its own, made by uv from
    the lock beside its adapter. bench run builds what is missing by itself.
    """,
)
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Backends: torch, tff, tff@0.86.0, ./mine.py")]


@app.command()
def build(names: Names) -> None:
    """Build environments now rather than at the first run."""
    from rich.console import Console

    from bench import environments, plugins

    console = Console(stderr=True)
    failed = False
    for request in names:
        plugin, version, _ = plugins.requested(request)
        try:
            with console.status(f"{request}: building"):
                own = environments.ensure(
                    plugin, version, lambda text: console.print(text, markup=False, highlight=False)
                )
            console.print(f"{request}: {own.framework or 'no framework'} {own.framework_version or ''} in {own.python}")
        except environments.EnvironmentFailed as error:
            console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
            failed = True
    if failed:
        raise typer.Exit(1)


@app.command()
def show() -> None:
    """Show the environments on this machine, and what they take on disk."""
    from rich.console import Console
    from rich.table import Table

    from bench import environments

    table = Table("environment", "state", "framework", "python", "locked", "MiB")
    for row in environments.listing():
        locked = {True: "yes", False: "no", None: ""}[row["locked"]]
        size = f"{row['bytes'] / 2**20:.0f}"
        table.add_row(row["name"], row["state"], row["framework"], row["python"], locked, size)
    console = Console()
    console.print(table)
    console.print(f"in {environments.home() / 'environments'}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def remove(names: Names) -> None:
    """Remove environments; 'all' removes every one."""
    from bench import environments

    for name in names:
        gone = environments.remove(name)
        if not gone:
            raise UserError(f"{name}: no such environment; bench env show lists them")
        for folder in gone:
            print(f"removed {folder}")


@app.command()
def lock(names: Names) -> None:
    """Resolve a backend's header anew and write requirements.lock beside it (for those who change a backend)."""
    from bench import environments, lock, plugins

    for name in names:
        try:
            print(lock.write(plugins.find("backends", name)))
        except environments.EnvironmentFailed as error:
            raise UserError(str(error)) from error
