"""An environment of its own, into which projects are installed."""

import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

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
            "PATH": f"{folder / 'bin'}:{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
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
