"""A trial in a container: the image holds the model's libraries, and this project beside them."""

from dh_project import HpProblem
from dh_project.hpc.balsam.jobs.job_spec import BalsamJobSpec

Problem = HpProblem()
Problem.add_hyperparameter((0.0, 1.0), "x")


def run(point):
    """Run inside the image; whatever is imported here comes from it."""
    return -((point["x"] - 0.3) ** 2)


run.balsamjob_spec = BalsamJobSpec(
    command="apptainer exec --nv --bind $PWD {image} {worker}",
    image="images/model.sif",
    environment={"OMP_PROC_BIND": "close"},
)
