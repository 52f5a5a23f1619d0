"""Write the next revision of the schema: `python -m web.revision "what changes"`, on a throw-away SQLite database."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from web.migrate import alembic_config, upgrade


def main(message: str) -> None:
    """Bring a fresh database to the newest revision and compare the models with it."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'schema.db'}"
        upgrade(url)
        engine = create_engine(url)
        with engine.begin() as connection:
            command.revision(alembic_config(connection), message=message, autogenerate=True)
        engine.dispose()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or sys.exit("Say what changes: python -m web.revision MESSAGE"))
