"""Root: ``paysaga …``, for operators and newcomers."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Payments as durable sagas.")


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date, as its owner."""
    from settings import Settings
    from storage import schema

    settings = Settings()  # type: ignore[call-arg]  # pydantic-settings fills them from the environment
    if settings.migration_database_url is None:
        typer.secho("Set PAYSAGA_MIGRATION_DATABASE_URL to the address of the schema's owner.", err=True)
        raise typer.Exit(2)
    schema.upgrade(settings.migration_database_url.get_secret_value())


@app.command()
def dev(
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept [default: .paysaga]")] = None,
    port_base: Annotated[int, typer.Option(min=1024, max=65515, help="At most 20 ports from here")] = 8000,
    ready_file: Annotated[Path | None, typer.Option(help="Written when all is up")] = None,
) -> None:
    """Run the whole platform on this machine."""
    import os

    import dev as platform

    raise typer.Exit(
        platform.run(data_dir, port_base, ready_file, float(os.environ.get("PAYSAGA_TIME_SCALE", "1")))
    )


def main() -> None:
    app()


if __name__ == "__main__":
    main()
