import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from dh_project.cli.main import main
from dh_project.hpc.balsam.client.connection import http_client
from dh_project.hpc.balsam.client.credentials import Login, read_token, write_private
from dh_project.hpc.balsam.client.models import JobRequest
from dh_project.hpc.balsam.client.tags import SEARCH, TRIAL
from dh_project.hpc.balsam.install.environment import fault, variables
from dh_project.hpc.balsam.install.installation import Installation, NodeKind
from dh_project.hpc.balsam.install.server import answers
from dh_project.hpc.balsam.install.services import Services

pytestmark = pytest.mark.balsam


def app_ids(client, installation):
    return {app.name: app.id for app in client.apps(installation.describe().site_id)}


def secrets_of(installation):
    login = Login.model_validate_json(installation.login_file.read_text())
    settings = Services(installation).server.settings
    return [login.password, settings.secret, read_token(installation.token_file).text]


def test_a_new_folder_ends_with_a_site_that_answers(balsam_folder, installation, client, capsys):
    described = installation.describe()
    assert described.site_id in [site.id for site in client.sites()]
    assert app_ids(client, installation).keys() == {SEARCH, TRIAL}
    assert main(["balsam-status", str(balsam_folder)]) == 0
    assert " wrong " not in capsys.readouterr().out


def test_a_second_init_keeps_what_is_there_and_says_so(balsam_folder, installation, client, capsys):
    assert main(["balsam-init", str(balsam_folder)]) == 0  # mends what other tests have left
    capsys.readouterr()
    services, before = Services(installation), installation.describe()
    running = [services.agent.process(), services.server.process(), services.server.database.process()]
    [job] = client.create_jobs([JobRequest(app_id=app_ids(client, installation)[TRIAL], workdir="kept/job")])
    assert main(["balsam-init", str(balsam_folder)]) == 0
    said = capsys.readouterr().out
    assert [name for name in ("database ", "server   ", "agent    ") if f"{name} runs" not in said] == [], (
        said
    )
    assert installation.describe() == before
    assert [
        services.agent.process(),
        services.server.process(),
        services.server.database.process(),
    ] == running
    assert client.job(job.id).workdir == "kept/job"
    client.delete_job(job.id)


def test_a_file_that_the_user_has_edited_is_kept(balsam_folder, installation, capsys):
    template = installation.site / "job-template.sh"
    original = template.read_text()
    template.write_text(f"{original}\n# mine\n")
    assert main(["balsam-init", str(balsam_folder)]) == 0
    assert template.read_text().endswith("# mine\n")
    assert "job-template.sh, which was edited" in capsys.readouterr().out
    template.write_text(original)


def test_only_the_user_may_read_what_is_private(installation):
    for folder in (installation.private, installation.server / "database", installation.server / "socket"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in installation.private.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0 or file.name == ".renewing"
    assert {"login.json", "server.json", "client.yml"} <= {
        file.name for file in installation.private.iterdir()
    }


def test_no_secret_is_in_any_other_file(balsam_folder, installation, client):
    secrets = [secret.encode() for secret in secrets_of(installation)]
    client.sites()
    for path in balsam_folder.rglob("*"):
        if path.is_file() and not {installation.private, installation.environment} & set(path.parents):
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def test_no_secret_is_on_any_command_line(installation):
    secrets = secrets_of(installation)
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        assert not any(secret in line for secret in secrets)


def as_another_user(do):
    """Return the bytes that a function returns in a child of another user, who may not start this Python."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(65533)
            os.setuid(65533)
            os.write(writing, do())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return told


def answer_of_postgres(path):
    """Ask a PostgreSQL server for a connection of its owner, and return the first message of its answer."""
    words = b"user\0postgres\0database\0balsam\0\0"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(struct.pack("!ii", 8 + len(words), 3 << 16) + words)
        return client.recv(4096)


def test_another_user_does_not_get_into_the_database(installation):
    if psutil.Process().uids().real != 0:
        pytest.skip("needs root, to become another user")
    file = installation.server / "socket" / ".s.PGSQL.5432"
    above = [path for path in file.parents if installation.folder.parent in (path, *path.parents)]
    modes = {path: path.stat().st_mode for path in (file, *above)}
    try:
        for path in modes:  # the folders keep other users out, and the database must too
            path.chmod(0o777)
        told = as_another_user(lambda: answer_of_postgres(file))
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert b"Peer authentication failed" in told


@pytest.mark.parametrize("name", ["database", "server"])
def test_what_was_killed_is_started_again(balsam_folder, installation, client, capsys, name):
    services = Services(installation)
    killed = (services.server.database if name == "database" else services.server).process()
    killed.kill()
    killed.wait(10)
    assert main(["balsam-status", str(balsam_folder)]) == 1
    assert f"{name} " in "".join(line for line in capsys.readouterr().out.splitlines() if " wrong " in line)
    assert main(["balsam-start", str(balsam_folder)]) == 0
    assert f"{name:9} started" in capsys.readouterr().out
    assert client.sites()


def test_the_agent_outlives_its_server(balsam_folder, installation, client):
    services = Services(installation)
    agent, site_id = services.agent.process(), installation.describe().site_id
    before = {process.pid for process in agent.children()}
    services.server.stop()
    time.sleep(5)  # longer than a cycle of the agent
    services.server.start()
    wait_for(lambda: is_heard_of_anew(client, site_id))
    assert services.agent.process() == agent
    assert {process.pid for process in agent.children()} == before


def test_the_agent_outlives_its_token(installation, client):
    services = Services(installation)
    agent, site_id = services.agent.process(), installation.describe().site_id
    settings = services.server.settings
    services.server.stop()
    another = settings.model_copy(update={"secret": settings.secret[::-1]})  # all tokens are invalid
    write_private(installation.private / "server.json", another.model_dump_json())
    services.server.start()
    wait_for(lambda: is_heard_of_anew(client, site_id))
    assert services.agent.process() == agent


def test_no_part_of_an_agent_outlives_it(balsam_folder, installation, capsys):
    agent = Services(installation).agent.process()
    parts = agent.children(recursive=True)
    agent.kill()
    _, alive = psutil.wait_procs([agent, *parts], timeout=20)
    assert not alive
    assert main(["balsam-start", str(balsam_folder)]) == 0
    assert "agent     started" in capsys.readouterr().out


def test_an_agent_whose_part_died_starts_anew(installation, client):
    agent = Services(installation).agent.process()
    parts = agent.children()
    parts[0].send_signal(signal.SIGKILL)
    wait_for(lambda: len(agent.children()) == len(parts) and not set(parts) & set(agent.children()))
    wait_for(lambda: is_heard_of_anew(client, installation.describe().site_id))


def test_stopping_and_starting_keeps_jobs(balsam_folder, installation, client, capsys):
    [job] = client.create_jobs([JobRequest(app_id=app_ids(client, installation)[TRIAL], workdir="kept/job")])
    services = Services(installation)
    assert main(["balsam-stop", str(balsam_folder)]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["agent", "stopped"],
        ["server", "stopped"],
        ["database", "stopped"],
    ]
    assert services.agent.process() is services.server.process() is services.server.database.process() is None
    assert main(["balsam-start", str(balsam_folder)]) == 0
    assert client.job(job.id).workdir == "kept/job"
    client.delete_job(job.id)


def test_a_broken_environment_is_one_line_and_init_mends_it(balsam_folder, installation, command, client):
    command("balsam-stop", balsam_folder)
    shutil.rmtree(installation.environment / "lib")
    refused = command("balsam-start", balsam_folder)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert f"mend it with: deephyper balsam-init {balsam_folder}" in refused.stderr
    mended = command("balsam-init", balsam_folder)
    assert mended.returncode == 0, mended.stderr
    assert "installing Balsam" in mended.stdout
    assert client.sites()


def test_an_environment_of_another_version_is_one_line(balsam_folder, installation, command):
    stamp = installation.environment / "dh_project.json"
    original = stamp.read_text()
    stamp.write_text(original.replace("0.7.0a24", "0.6.0"))
    refused = command("balsam-start", balsam_folder)
    stamp.write_text(original)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "it holds Balsam 0.6.0" in refused.stderr


def test_a_package_that_balsam_needs_is_missed_in_one_line_that_says_how_to_mend_it(
    balsam_folder, installation, command
):
    command("balsam-stop", balsam_folder)
    [package] = installation.environment.glob("lib/python3*/site-packages/sqlalchemy")
    package.rename(package.with_name("away"))
    refused = command("balsam-start", balsam_folder)
    package.with_name("away").rename(package)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert f"mend it with: deephyper balsam-init {balsam_folder}" in refused.stderr
    assert command("balsam-start", balsam_folder).returncode == 0


@pytest.mark.parametrize("content", ["", "[]", "3"])
def test_an_environment_whose_stamp_is_torn_is_not_finished(tmp_path, content):
    installation = Installation(tmp_path)
    (installation.environment / "bin").mkdir(parents=True)
    installation.python.symlink_to(sys.executable)
    (installation.environment / "dh_project.json").write_text(content)
    assert fault(installation) == "its installation was not finished"


def test_activating_twice_changes_nothing_more(balsam_folder):
    script = (
        f'. {balsam_folder}/activate; first=$PATH; . {balsam_folder}/activate; [ "$PATH" = "$first" ] && env'
    )
    for shell in ("sh", "bash"):
        variables = subprocess.run([shell, "-uc", script], capture_output=True, text=True, check=True).stdout
        assert f"DH_PROJECT_BALSAM={balsam_folder}\n" in variables
        assert f"BALSAM_SITE_PATH={balsam_folder}/site\n" in variables
        assert f"BALSAM_CLIENT_PATH={balsam_folder}/private/client.yml\n" in variables


def test_balsams_own_command_works_once_activated_and_python_stays_ones_own(balsam_folder):
    script = f". {balsam_folder}/activate; command -v python; balsam site ls"
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    said = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True, env={"PATH": path}
    )
    assert said.stdout.splitlines()[0] == f"{Path(sys.executable).parent}/python"
    assert str(balsam_folder)[:30] in said.stdout


def test_database_and_server_listen_on_no_port(installation, balsam_folder):
    services = Services(installation)
    for process in (services.server.process(), services.server.database.process()):
        assert [each for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN] == []


def test_nobody_can_register_at_the_own_server(installation):
    with http_client(installation.describe().url, timeout=5.0) as client:
        answer = client.post("/auth/password/register", json={"username": "eve", "password": "eve"})
    assert answer.status_code == httpx.codes.NOT_FOUND


@pytest.fixture
def hosted_server(installation, tmp_path):
    """The address of a server on a port, as its operators run it: Balsam's own, with registration."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Services(installation).server._variables()
    words = [installation.python, "-P", "-m", "uvicorn", "balsam.server.main:app", "--port", str(port)]
    with (tmp_path / "hosted.log").open("w") as log:
        server = subprocess.Popen(words, env=variables(installation, settings), stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: answers(url))
    yield url
    server.terminate()
    server.wait()


def test_a_server_of_others_is_logged_in_to_and_the_login_is_not_kept(hosted_server, another_folder, command):
    url = hosted_server
    user = f"user-{time.time_ns()}"
    httpx.post(
        f"{url}/auth/password/register", json={"username": user, "password": "pass word"}
    ).raise_for_status()
    words = ("balsam-init", another_folder, "--server", url, "--user", user, "--password-stdin")
    wrong = command(*words, given="guess\n")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert f"wrong user name or password for {user!r}" in wrong.stderr
    made = command(*words, given="pass word\n")
    assert made.returncode == 0, made.stderr
    assert "pass word" not in made.stdout
    assert not (another_folder / "private" / "login.json").exists()
    again = command("balsam-init", another_folder)  # the token is valid
    assert again.returncode == 0, again.stderr


def test_a_site_name_that_is_taken_is_one_line(balsam_folder, client, command):
    name = f"taken-{time.time_ns()}"
    site = client.create_site(name, Path("/elsewhere"))
    refused = command("balsam-init", balsam_folder, "--site-name", name)
    client.delete_site(site.id)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "the server knows a site of that name, at /elsewhere" in refused.stderr


def test_a_named_system_gets_its_own_settings(another_folder, command):
    made = command("balsam-init", another_folder, "--site-type", "polaris", "--project", "materials")
    assert made.returncode == 0, made.stderr
    assert "only this machine reaches the server" in made.stdout
    assert Installation(another_folder).describe().node == NodeKind(cores=32, gpus=4, packs=True)
    settings = yaml.safe_load((another_folder / "site" / "settings.yml").read_text())
    assert settings["scheduler"]["allowed_projects"] == ["materials"]
    assert "prod" in settings["scheduler"]["allowed_queues"]
    other = command("balsam-init", another_folder, "--site-type", "aurora")
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)


def is_heard_of_anew(client, site_id):
    seen = next(site for site in client.sites() if site.id == site_id).last_refresh
    time.sleep(3)
    return next(site for site in client.sites() if site.id == site_id).last_refresh > seen


def wait_for(condition, seconds=60.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.2)
