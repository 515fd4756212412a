"""The schema's versions, oldest first: alembic's scripts, found inside of the package."""
