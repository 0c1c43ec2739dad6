"""An environment of its own, into which projects are installed, and a project in it."""

import os
import shutil
import subprocess
import sysconfig
import venv
from itertools import product
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

PROGRAM = """\
#!{python}
import sys
from {module} import main
sys.exit(main())
"""


class Environment:
    """A virtual environment that sees all that is installed here, and has the two programs."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = folder / "bin/python"
        own = next(folder.glob("lib/python*/site-packages"))
        (own / "here.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        for program, module in (("deephyper", "main"), ("deephyper-analytics", "analytics")):
            path = folder / "bin" / program
            path.write_text(PROGRAM.format(python=self.python, module=f"dh_project.cli.{module}"))
            path.chmod(0o755)
        self.variables = os.environ | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *words, cwd, check=True, **variables):
        """Run a command, its program from this environment; its output is text, both streams together."""
        program = shutil.which(words[0], path=self.variables["PATH"]) or words[0]
        done = subprocess.run(
            [program, *map(str, words[1:])],
            cwd=cwd,
            env=self.variables | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout
        return done


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture(scope="session")
def project(environment, tmp_path_factory):
    """Return the folder of a project's problems, as the tutorial's first command makes it."""
    folder = tmp_path_factory.mktemp("projects")
    environment.run("deephyper", "start-project", "demo", cwd=folder)
    return folder / "demo/demo"


@pytest.fixture
def own_project(tmp_path):
    """Return the folder of the problems of a project that is not installed."""
    home = tmp_path / "mine/mine"
    home.mkdir(parents=True)
    (home.parent / "pyproject.toml").write_text('[tool.deephyper]\npackage = "mine"\n')
    return home


CIF = """\
data_{name}
_cell_length_a {edge}
_cell_length_b {edge}
_cell_length_c {edge}
_cell_angle_alpha 60
_cell_angle_beta 60
_cell_angle_gamma 60
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{cation} {cation} 0 0 0
{anion} {anion} 0.5 0.5 0.5
"""


@pytest.fixture(scope="session")
def crystals(tmp_path_factory):
    """Return a folder of twelve alkali halides, as the original CGCNN takes one."""
    folder = tmp_path_factory.mktemp("crystals") / "halides"
    folder.mkdir()
    lines = []
    for number, (cation, anion) in enumerate(product(("Li", "Na", "K", "Rb"), ("F", "Cl", "Br"))):
        name, edge = f"{cation}{anion}", 3.0 + 0.1 * number
        (folder / f"{name}.cif").write_text(CIF.format(name=name, edge=edge, cation=cation, anion=anion))
        lines.append(f"{name},{number}\n")
    (folder / "id_prop.csv").write_text("".join(lines))
    return folder
