"""Creates Balsam's database, its tables and its user, unless they exist.

Balsam's wheel lacks the files of its own migration, and one index of its tables is rendered wrongly.
"""

from __future__ import annotations

import json
import sys

import psycopg2
from balsam.server import settings
from balsam.server.auth.password_utils import get_hash
from balsam.server.models import User, get_session
from balsam.server.models.base import Base, get_engine
from balsam.server.models.tables import Job
from sqlalchemy import text

DATABASE = "balsam"


INDEXES = {
    "ix_jobs_tags": "jobs USING gin (tags jsonb_path_ops)",
    # without these indexes, deleting a job reads all events of all jobs
    "ix_log_events_job_id": "log_events (job_id)",
    "ix_transfer_items_job_id": "transfer_items (job_id)",
}


def main() -> None:
    """Create what is missing. The user's name and password come from standard input."""
    login = json.load(sys.stdin)
    _make_database(settings.database_url.replace(f"/{DATABASE}?", "/postgres?"))
    _make_tables()
    session = get_session()
    user = session.query(User).filter_by(username=login["username"]).one_or_none()
    if user is None:
        user = User(username=login["username"])
        session.add(user)
    user.hashed_password = get_hash(login["password"])
    session.commit()
    print(json.dumps({"user": user.id}))


def _make_database(url: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
    connection.close()


def _make_tables() -> None:
    for index in list(Job.__table__.indexes):
        if index.name == "ix_jobs_tags":
            Job.__table__.indexes.discard(index)
    Base.metadata.create_all(get_engine())
    with get_engine().begin() as connection:
        for name, on in INDEXES.items():
            connection.execute(text(f"CREATE INDEX IF NOT EXISTS {name} ON {on}"))


if __name__ == "__main__":
    main()
