"""Making a database ready to be served."""

from backend.catalogue import install_catalogue
from backend.db import Database
from backend.migrate import upgrade
from backend.settings import Settings


def prepare(settings: Settings) -> str:
    """Upgrade the schema, store what is built in, return the schema's revision.

    Doing it again changes nothing.
    """
    revision = upgrade(settings)
    db = Database(settings.database)
    try:
        install_catalogue(db, settings)
    finally:
        db.close()
    return revision
