"""The command of a script ends with a status and without a traceback."""

import signal
import subprocess
import sys

import pytest

SCRIPT = '''"""What the script does."""
import sys

from dh_project import exit_status

sys.exit(exit_status(lambda words: print("x" * 100_000), None))
'''


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_a_script_whose_reader_has_ended_ends_without_a_traceback(tmp_path, words):
    (tmp_path / "script.py").write_text(SCRIPT)
    script = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    script.stdout.close()
    assert script.stderr.read() == b""
    script.stderr.close()
    assert script.wait() == 128 + signal.SIGPIPE
