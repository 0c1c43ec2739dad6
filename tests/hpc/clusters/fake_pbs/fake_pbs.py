"""A fake of PBS, which cannot be installed here: the code that the fakes of ``qsub``, ``qstat`` and ``qdel`` share.

It follows the user's manual for the few features that a search needs. A script is checked and copied at submission,
waits for the job that it depends on, runs in a job's environment and not the submitter's, and is killed at its
walltime. Jobs are JSON files in the folder ``$FAKE_PBS_HOME``.
"""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

HOME = Path(os.environ["FAKE_PBS_HOME"])
SERVER = "fake-pbs"
MANDATORY = ("-A", "walltime", "filesystems", "select")


def refuse(text):
    """Exit as a PBS command that refuses."""
    sys.exit(text)


@contextmanager
def locked():
    """Lock all jobs."""
    with (HOME / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def file_of(job):
    return HOME / f"{job.partition('.')[0]}.json"


def read(job):
    try:
        return json.loads(file_of(job).read_text())
    except FileNotFoundError:
        return None


def write(job):
    aside = file_of(job["id"]).with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(job))
    aside.replace(file_of(job["id"]))


def change(job, **values):
    """Change a job's record, and return it."""
    with locked():
        known = read(job) | values
        write(known)
    return known


def all_jobs():
    """Return all jobs, by number."""
    return [
        json.loads(path.read_text()) for path in sorted(HOME.glob("*.json"), key=lambda path: int(path.stem))
    ]


def directives(script):
    """Return the words of a script's directives; a comment before the last of them is an error at some sites."""
    lines = script.splitlines()
    if not lines[0].startswith("#!"):
        refuse("qsub: the script does not begin with #!")
    words = []
    for number, line in enumerate(lines[1:], start=2):
        if line.startswith("#PBS "):
            if "#" in line[1:]:
                refuse(f"qsub: line {number}: a comment on a directive")
            words += line.split()[1:]
        elif line.startswith("#") and any(later.startswith("#PBS") for later in lines[number:]):
            refuse(f"qsub: line {number}: a comment between directives")
        elif line.strip() and not line.startswith("#"):
            break
    return words


def options(words):
    """Return options with their values, and resources with theirs."""
    given, resources = {}, {}
    for option, value in zip(words[::2], words[1::2], strict=False):
        if not re.fullmatch("-[a-zA-Z]", option):
            refuse(f"qsub: illegal option {option}")
        if option == "-l":
            resources |= dict(
                part.partition("=")[::2] for part in value.split(",") if not value.startswith("select")
            )
            if value.startswith("select="):
                resources["select"] = value.removeprefix("select=")
        else:
            given[option] = value
    return given, resources


def seconds(walltime):
    """Return the seconds of ``HH:MM:SS``."""
    if not re.fullmatch(r"\d{2,}:[0-5]\d:[0-5]\d", walltime):
        refuse(f"qsub: Illegal attribute or resource value Resource_List.walltime {walltime}")
    hours, minutes, rest = map(int, walltime.split(":"))
    return 3600 * hours + 60 * minutes + rest


def submit(words):
    """Accept a script, start the process that runs it, and print the job's id."""
    *own, path = words
    script = Path(path).read_text()
    given, resources = options(directives(script))
    command, more = options(own)
    given, resources = given | command, resources | more
    for name in MANDATORY:
        if not (given | resources).get(name):
            refuse(f"qsub: {name} is mandatory here, and missing")
    nodes = int(re.match(r"\d+", resources["select"])[0])
    limit = seconds(resources["walltime"])
    depend = re.fullmatch(r"depend=afterany:(\S+)", given["-W"]) if "-W" in given else None
    if "-W" in given and (depend is None or read(depend[1]) is None):
        refuse(f"qsub: illegal -W value {given['-W']}")
    with locked():
        number = 100 + len(all_jobs())
        job = {
            "id": f"{number}.{SERVER}",
            "name": given.get("-N", Path(path).name),
            "queue": given.get("-q", "default"),
            "output": given.get("-o"),
            "nodes": nodes,
            "walltime": limit * float(os.environ.get("FAKE_PBS_SECOND", "1")),
            "after": depend[1] if depend else None,
            "directory": str(Path.cwd()),
            "state": "H" if depend else "Q",
            "script": str(HOME / f"{number}.SC"),
        }
        Path(job["script"]).write_text(script)
        write(job)
    runner = subprocess.Popen(
        [sys.executable, __file__, job["id"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(HOME / f"{number}.runner").open("w"),
        start_new_session=True,
    )
    change(job["id"], runner=runner.pid)
    print(job["id"])


def run(name):
    """Wait for the job that must end first, run the script, and record its exit status."""
    job = read(name)
    while job["after"] and read(job["after"])["state"] != "F":
        time.sleep(0.1)
    if read(name)["state"] == "F":
        return
    nodefile = HOME / f"{name}.nodes"
    nodefile.write_text("localhost\n" * job["nodes"])
    environment = {
        variable: os.environ[variable]
        for variable in ("HOME", "USER", "LOGNAME", "LANG")
        if variable in os.environ
    }
    environment |= {
        "PATH": f"{Path(__file__).parent}:/usr/local/bin:/usr/bin:/bin",
        "FAKE_PBS_HOME": str(HOME),
        "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_JOBID": name,
        "PBS_JOBNAME": job["name"],
        "PBS_NODEFILE": str(nodefile),
        "PBS_O_WORKDIR": job["directory"],
        "PBS_QUEUE": job["queue"],
    }
    output = Path(job["directory"]) / (job["output"] or f"{job['name']}.o{name.partition('.')[0]}")
    with output.open("ab") as out:
        process = subprocess.Popen(
            [job["script"]] if os.access(job["script"], os.X_OK) else ["bash", job["script"]],
            cwd=environment.get("HOME", "/"),  # as PBS does; the script itself goes to PBS_O_WORKDIR
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        change(name, state="R", session=process.pid, began=time.time())
        try:
            status = process.wait(job["walltime"])
        except subprocess.TimeoutExpired:
            kill(process.pid)
            status = process.wait()
            change(name, killed=True)
    change(name, state="F", status=status, ended=time.time())


def kill(session):
    """End a job as PBS does: SIGTERM, and SIGKILL some seconds later."""
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 0.0)):
        try:
            os.killpg(session, number)
        except ProcessLookupError:
            return
        time.sleep(patience)


def delete(names):
    """End jobs, or take them out of the queue."""
    for name in names:
        job = read(name)
        if job is None:
            refuse(f"qdel: Unknown Job Id {name}")
        if job["state"] == "F":
            refuse(f"qdel: Job has finished {name}")
        if job["state"] == "R":
            kill(job["session"])
        else:
            change(name, state="F", status=None, deleted=True)


def show(words):
    """List a user's jobs that have not ended, ids cut short, as ``qstat -u`` does."""
    if words[:1] != ["-u"]:
        refuse("qstat: this fake knows -u alone")
    jobs = [job for job in all_jobs() if job["state"] != "F"]
    if not jobs:
        return
    print(f"\n{SERVER}: \n{'':60}Req'd  Req'd   Elap")
    print("Job ID          Username Queue    Jobname    SessID NDS TSK Memory Time  S Time")
    print("--------------- -------- -------- ---------- ------ --- --- ------ ----- - -----")
    for job in jobs:
        cut = f"{job['id'][:5]}*"
        print(
            f"{cut:15} {words[1]:8} {job['queue']:8} {job['name']:10.10} {'--':>6} {job['nodes']:3} "
            f"{job['nodes']:3} {'--':>6} 01:00 {job['state']} {'--':>5}"
        )


if __name__ == "__main__":
    run(sys.argv[1])
