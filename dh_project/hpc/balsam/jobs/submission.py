"""What a search's driver is told, and what it leaves when the search is over: two files in its folder."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from dh_project.common.errors import UserError
from dh_project.common.files import write_whole
from dh_project.hps.settings import SearchSettings
from dh_project.hps.settings_file import from_data

SUBMISSION, OVER, CRASHES = "submission.json", "over", "crashes"
"""In the driver's folder. The app ``search`` lets Balsam start a driver again that ended without ``over``, and counts
in ``crashes`` how often."""

OUTPUT = "job.out"
"""Where Balsam writes what a job prints."""

LONGEST_NAME = 100


class Submission(BaseModel):
    """What a driver is told, once by ``balsam-submit`` and again by each ``--resume``.

    Attributes:
        schema_version: Of this file.
        workflow: The search's name.
        search: The settings of the search, as JSON data (:func:`dh_project.hps.settings_file.to_data`).
        margin: Seconds before the batch job's end at which trials are interrupted; None for the usual.
        import_from: The user's working directory, from which modules are imported too.
        last_batch_job: How many batch jobs the workflow may have; the driver submits them, one ahead.
        outputs: Where results are brought; None where they stay.
    """

    schema_version: int = 1
    workflow: str
    search: dict[str, Any]
    margin: float | None = None
    import_from: str
    last_batch_job: int = 1
    outputs: Path | None = None

    def settings(self) -> SearchSettings:
        """Return the settings of the search, without the time that it has.

        Raises:
            UserError: A setting is unknown or wrong.
        """
        return from_data(self.search)

    def write(self, folder: Path) -> None:
        """Tell the driver whose folder this is."""
        write_whole(folder / SUBMISSION, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Submission:
        """Return what the driver of a folder is told.

        Raises:
            UserError: Nothing, or nothing that is whole.
        """
        file = folder / SUBMISSION
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{file}: {error.strerror}; submit the search under another name") from None
        except ValidationError as error:
            wrong = error.errors()[0]
            raise UserError(f"{file}: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None


class Over(BaseModel):
    """That a search is over, and will not be gone on with but by ``--resume``.

    Attributes:
        status: Exit status of ``deephyper hps``.
        reason: Why, in a line.
        date: When.
    """

    status: int
    reason: str
    date: datetime = Field(default_factory=lambda: datetime.now().astimezone())

    def write(self, folder: Path) -> None:
        """Leave it in the driver's folder."""
        write_whole(folder / OVER, self.model_dump_json() + "\n")

    @classmethod
    def read(cls, folder: Path) -> Over | None:
        """Return it, where the search is over."""
        try:
            return cls.model_validate(json.loads((folder / OVER).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None


def check_name(workflow: str) -> None:
    """Check a workflow's name: it becomes a folder, a tag on the server, and a word in scripts.

    Raises:
        UserError: It cannot be all of these.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", workflow):
        raise UserError(
            f"workflow {workflow!r}: a name has letters, digits, '_', '-' and '.', and begins with no '-' or '.'"
        )
    if len(workflow) > LONGEST_NAME:
        raise UserError(f"workflow {workflow[:20]}…: {len(workflow)} characters; give at most {LONGEST_NAME}")
