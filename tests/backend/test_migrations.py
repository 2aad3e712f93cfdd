from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect

from backend import migrate
from backend.db import Base, Database
from backend.settings import Settings


def test_the_migrations_build_exactly_the_tables_of_the_code(db: Database):
    with db.engine.begin() as connection:
        command.check(migrate.alembic_config(connection))


def test_a_migrated_database_stands_at_the_newest_revision(db: Database):
    assert migrate.current(db.engine) == migrate.head()


def test_migrating_again_changes_nothing(database_url: str, tmp_path: Path):
    settings = Settings(home=tmp_path, database_url=database_url)
    assert migrate.upgrade(settings) == migrate.upgrade(settings) == migrate.head()


def test_every_migration_can_be_undone(db: Database):
    with db.engine.begin() as connection:
        command.downgrade(migrate.alembic_config(connection), "base")
    assert set(inspect(db.engine).get_table_names()) == {"alembic_version"}
    with db.engine.begin() as connection:
        command.upgrade(migrate.alembic_config(connection), "head")
    assert set(Base.metadata.tables) <= set(inspect(db.engine).get_table_names())


def test_an_empty_database_has_no_revision(tmp_path: Path):
    db = Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert migrate.current(db.engine) is None
    db.close()


@pytest.mark.parametrize("nested", ["a", "a/b"])
def test_the_folder_of_a_new_database_is_made(nested: str, tmp_path: Path):
    settings = Settings(home=tmp_path / nested)
    migrate.upgrade(settings)
    assert (tmp_path / nested / "efsnas.sqlite3").is_file()
