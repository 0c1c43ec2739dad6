"""The template of a site's batch scripts: that of this machine, and the shipped ones of named systems, corrected.

Before the launcher starts, a script sets ``DH_PROJECT_JOB_ENDS`` to the end of the launcher, in seconds since 1970,
and frees the jobs of the workflow that a dead launcher held. ``optional_params.after`` names the batch job that it
waits for.
"""

from __future__ import annotations

import re
import shlex

from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE, Installation
from dh_project.hpc.balsam.install.programs import program

LAUNCHER = "{{launcher_cmd}}"

RELEASE = "dh_project.hpc.balsam.jobs.release"

DEPENDENCIES = {
    "#PBS": "-W depend=afterany:{after}",
    "#SBATCH": "--dependency=afterany:{after}",
    "#BSUB": '-w "ended({after})"',
    "#COBALT": "--dependencies {after}",
}
"""Directives by which a batch job waits for another one, by scheduler."""

AFTER = '{{ optional_params["after"] }}'

LOCAL = """\
#!/bin/bash
# A batch job of this machine; the name of this script says so to Balsam.
end() { ended=yes; [ -z "$launcher" ] || kill "$launcher"; }
trap end TERM
{% if optional_params.get("after") %}
# the batch job before this one
while [ -z "$ended" ] && ps -o args= -p {{ optional_params["after"] }} | grep -q qlaunch; do sleep 1; done
{% endif %}
export BALSAM_SITE_PATH={{balsam_site_path}}
cd "$BALSAM_SITE_PATH" || exit 1
[ -z "$ended" ] || exit 0
{{launcher_cmd}} -j {{ job_mode }} -t {{ wall_time_min - 2 }} \
{% for name, value in filter_tags.items() %} --tag '{{ name }}={{ value }}'{% endfor %} {{ partitions }} &
launcher=$!
wait "$launcher" || wait "$launcher"  # a signal ends the first one
"""

MINUTES = (
    '{% if job_mode == "mpi" %}{{ [1, wall_time_min - 4] | max }}{% else %}{{ wall_time_min - 2 }}{% endif %}'
)
"""Minutes after which a launcher ends its jobs: it keeps back two minutes, and two more in mpi mode."""


def local_template(installation: Installation) -> str:
    """Return the template for this machine."""
    return _with_beginning(LOCAL, installation)


def mended_template(shipped: str, installation: Installation) -> str:
    """Return a template that Balsam ships, with the missing lines added."""
    return _with_dependency(_with_beginning(_with_walltime(shipped), installation))


def _with_walltime(template: str) -> str:
    """Correct the walltime of PBS: the shipped template writes all minutes after the hours."""
    right = "walltime={{ wall_time_min // 60 }}:{{ '%02d' % (wall_time_min % 60) }}:00"
    return re.sub(r"walltime=\{\{.*\}\}:\{\{.*\}\}:00", lambda _: right, template)


def _with_beginning(template: str, installation: Installation) -> str:
    release = shlex.join(program(RELEASE))
    lines = [
        f"export {FOLDER_VARIABLE}={shlex.quote(str(installation.folder))}",
        f"export BALSAM_CLIENT_PATH={shlex.quote(str(installation.token_file))}",
        f"export DH_PROJECT_JOB_ENDS=$(( $(date +%s) + 60 * {MINUTES} ))",
        '{% if filter_tags.get("workflow") %}',
        f"{release} '{{{{ filter_tags[\"workflow\"] }}}}'"
        f'{{% if optional_params.get("after") %}} {AFTER}{{% endif %}} || true',
        "{% endif %}",
    ]
    before, _, rest = template.partition(LAUNCHER)
    return before + "\n".join(lines) + "\n" + LAUNCHER + rest


def _with_dependency(template: str) -> str:
    lines = template.splitlines(keepends=True)
    for index, line in enumerate(lines):
        directive = line.partition(" ")[0]
        if directive in DEPENDENCIES:
            option = DEPENDENCIES[directive].format(after=AFTER)
            condition = f'{{% if optional_params.get("after") %}}{directive} {option}{{% endif %}}\n'
            return "".join([*lines[: index + 1], condition, *lines[index + 1 :]])
    return template
