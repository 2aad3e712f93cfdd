"""The database's schema, one reviewed step per file; `backend.migrate` applies them."""
