"""The place of trials is read from the server when a session begins."""

import pytest

from dh_project.common.errors import UserError
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.hpc.balsam.client.client import Unavailable
from dh_project.hpc.balsam.client.credentials import Token, write_token
from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE, Description, Installation, NodeKind
from dh_project.hpc.balsam.jobs import place
from dh_project.hpc.balsam.jobs.place import find_place

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _server_away(tmp_path, monkeypatch):
    installation = Installation(tmp_path)
    write_token(installation.token_file, Token(NOBODY, "token", None))
    installation.write_description(
        Description(
            balsam="0",
            site_type="local",
            site_name="here",
            site_id=1,
            url=NOBODY,
            owns_server=True,
            node=NodeKind(cores=2),
        )
    )
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(place, "STARTING_PATIENCE", 0.0)


def test_a_user_is_told_in_a_line_that_the_server_does_not_answer(monkeypatch):
    monkeypatch.delenv("BALSAM_JOB_ID", raising=False)
    with pytest.raises(UserError, match="balsam-start"):
        find_place("dh_project.testing.runs.run", EvaluatorSettings())


def test_a_driver_whose_server_does_not_answer_has_made_no_mistake(monkeypatch):
    """Otherwise a mistake would end its search for good."""
    monkeypatch.setenv("BALSAM_JOB_ID", "7")
    with pytest.raises(Unavailable):
        find_place("dh_project.testing.runs.run", EvaluatorSettings())
