from pathlib import Path

import pytest

from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BatchRequest
from dh_project.hpc.balsam.evaluator import BalsamEvaluator
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.hpc.balsam.jobs.place import find_place
from dh_project.testing.evaluator import EvaluatorContract

pytestmark = [pytest.mark.balsam, pytest.mark.slow]

WORKFLOW = "contract"


class TestBalsamEvaluator(EvaluatorContract):
    """The driver is this process, not a job; a batch job in mpi mode runs the trials."""

    rounds = 2

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _batch_job(cls, balsam_folder):
        installation = Installation(Path(balsam_folder))
        with pytest.MonkeyPatch.context() as patch, BalsamClient.of(installation) as client:
            patch.setenv("DH_PROJECT_BALSAM", str(installation.folder))
            patch.delenv("BALSAM_JOB_ID", raising=False)
            batch_job = client.create_batch_job(
                BatchRequest(
                    site_id=installation.describe().site_id,
                    num_nodes=1,
                    wall_time_min=20,
                    job_mode="mpi",
                    queue="local",
                    project="local",
                    filter_tags={"workflow": WORKFLOW},
                )
            )
            yield
            client.delete_batch_job(batch_job.id)

    @classmethod
    def make(cls, context, settings):
        more = EvaluatorSettings(
            num_workers=settings.num_workers, workflow=WORKFLOW, folder=Path(context.directory)
        )
        return BalsamEvaluator(context, find_place(context.run, more))
