"""What a site's file says: queues and their limits, nodes, GPUs, launch line, directives.

Every table names its ``sources``: keys of the table of the same name, which holds each source's page and the date at
which that page stated the facts. A user's own file may leave them out.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

REQUESTED = ("project", "name", "queue", "nodes", "walltime", "filesystems")
"""What a directive may hold in braces: the parts of a request."""

LAUNCHED = ("ranks", "ranks_per_node", "nodes", "cores", "threads", "binding", "others", "hosts", "this_host")
"""What a launch line may hold in braces."""


def placeholders(text: str) -> set[str]:
    """Return the names in braces of a text.

    Raises:
        ValueError: A brace is not closed.
    """
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _check(lines: Iterable[str], known: tuple[str, ...]) -> None:
    """Raise ``ValueError`` where a line holds unknown names in braces, or a line break."""
    for line in lines:
        if "\n" in line:
            raise ValueError(f"{line!r} has several lines; give one")
        for name in sorted(placeholders(line) - set(known)):
            raise ValueError(f"{line!r} holds {{{name}}}; known are {', '.join(known)}")


class Facts(BaseModel):
    """A table of facts, which cannot be changed once it is read.

    Attributes:
        sources: Names of the sources that state them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[str, ...] = ()


class Source(BaseModel):
    """Where facts are stated.

    Attributes:
        page: A repository and a file in it, or an address.
        stated: When that was last changed, as it was read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: str
    stated: date


class Tier(BaseModel):
    """A range of nodes of a queue that has limits of its own.

    Attributes:
        name: The queue to which the scheduler sends such jobs, where it does.
        min_nodes: Fewest nodes.
        max_nodes: Most nodes.
        max_minutes: Longest time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = None
    min_nodes: PositiveInt
    max_nodes: PositiveInt
    max_minutes: PositiveInt


class Queue(Facts):
    """A queue (Slurm: partition or QOS). A limit that is not given is not known, and nothing is refused for it.

    Attributes:
        min_nodes: Fewest nodes of a job.
        max_nodes: Most nodes.
        min_minutes: Shortest time.
        max_minutes: Longest time.
        tiers: Limits by size, where time depends on that; a job that fits none is taken by none.
        jobs_per_user: Jobs of one user, queued or running.
        running_per_user: Jobs of one user that run.
        jobs_per_project: Jobs of one project, queued or running.
        chains: Whether jobs that wait for one another are allowed.
        preemptable: Whether a job may be killed without warning.
        by_request: Whether one has to ask the site for it.
        directives: What a script says instead of the site's own directive of a queue.
        note: What else to know, in a few words.
    """

    min_nodes: PositiveInt = 1
    max_nodes: PositiveInt | None = None
    min_minutes: PositiveInt = 1
    max_minutes: PositiveInt | None = None
    tiers: tuple[Tier, ...] = ()
    jobs_per_user: PositiveInt | None = None
    running_per_user: PositiveInt | None = None
    jobs_per_project: PositiveInt | None = None
    chains: bool = True
    preemptable: bool = False
    by_request: bool = False
    directives: tuple[str, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _limits_fit(self) -> Queue:
        _check(self.directives, REQUESTED)
        if self.max_nodes is not None and self.max_nodes < self.min_nodes:
            raise ValueError(f"max_nodes {self.max_nodes} is below min_nodes {self.min_nodes}")
        if self.max_minutes is not None and self.max_minutes < self.min_minutes:
            raise ValueError(f"max_minutes {self.max_minutes} is below min_minutes {self.min_minutes}")
        return self

    def tier(self, nodes: int) -> Tier | None:
        """Return the tier of a number of nodes."""
        return next((tier for tier in self.tiers if tier.min_nodes <= nodes <= tier.max_nodes), None)

    def takes_nodes(self, nodes: int) -> bool:
        """Return whether there are jobs of this size."""
        inside = self.min_nodes <= nodes and (self.max_nodes is None or nodes <= self.max_nodes)
        return inside and (not self.tiers or self.tier(nodes) is not None)

    def longest(self, nodes: int) -> int | None:
        """Return the most minutes of a job of this size; None where that is not known."""
        tier = self.tier(nodes)
        limits = (self.max_minutes, tier.max_minutes if tier else None)
        return min((limit for limit in limits if limit is not None), default=None)

    def takes(self, nodes: int, minutes: int) -> bool:
        """Return whether it takes such a job."""
        longest = self.longest(nodes)
        return (
            self.takes_nodes(nodes)
            and self.min_minutes <= minutes
            and (longest is None or minutes <= longest)
        )


class Node(Facts):
    """A node.

    Attributes:
        cores: Physical cores; None where a job has to count them itself.
        reserved_cores: Those of them that jobs do not get.
        threads_per_core: Hardware threads of each.
        shared: Whether jobs of others may run on it at the same time.
    """

    cores: PositiveInt | None = None
    reserved_cores: int = 0
    threads_per_core: PositiveInt = 1
    shared: bool = False

    @property
    def usable_cores(self) -> int | None:
        """Cores that a job gets."""
        return None if self.cores is None else self.cores - self.reserved_cores


class Gpu(Facts):
    """The GPUs of a node.

    Attributes:
        count: How many devices programs see.
        model: What they are.
        variable: By which a process is shown some of them only; ``launcher`` where that shows each rank its own.
        order: The device of each local rank, so that it is near to the rank's cores; in turn by default.
    """

    count: PositiveInt
    model: str = ""
    variable: Literal[
        "CUDA_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "launcher"
    ] = "CUDA_VISIBLE_DEVICES"
    order: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _order_fits(self) -> Gpu:
        if self.order and sorted(self.order) != list(range(self.count)):
            raise ValueError(
                f"order {list(self.order)} is none of the devices 0 to {self.count - 1}, each once"
            )
        return self

    @property
    def by_local_rank(self) -> tuple[int, ...]:
        """The device of each local rank."""
        return self.order or tuple(range(self.count))


class Launch(Facts):
    """How programs are started on the nodes of a job.

    Attributes:
        ranks: The line that starts ranks on all nodes.
        binding: What of that binds ranks to cores.
        bindings: The same for numbers of ranks on a node that need another.
        others: The line that starts one process on each node but this.
        local_rank: Variables that tell a rank its place on its node; the first that is set counts.
    """

    ranks: str
    binding: str = ""
    bindings: dict[Annotated[str, Field(pattern=r"^[1-9]\d*$")], str] = Field(default_factory=dict)
    others: str | None = None
    local_rank: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _lines_are_known(self) -> Launch:
        lines = [self.ranks, self.binding, *self.bindings.values(), self.others or ""]
        _check(lines, LAUNCHED)
        return self


class Environment(Facts):
    """What a job's shell needs.

    Attributes:
        login_shell: Whether the script is one of a login shell.
        modules: Lines that make Python and libraries available.
        variables: Variables to be set.
        setup: Further lines.
        proxies: Variables by which a node reaches the internet; a search needs none of that.
    """

    login_shell: bool = False
    modules: tuple[str, ...] = ()
    variables: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], str] = Field(default_factory=dict)
    setup: tuple[str, ...] = ()
    proxies: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], str] = Field(default_factory=dict)


class Directives(Facts):
    """What a script tells the scheduler.

    Attributes:
        lines: Without the scheduler's own word; one whose part of the request is not given is left out.
        mandatory: Parts of a request without which the scheduler refuses.
        filesystems: Those that a job needs, as the scheduler wants them.
    """

    lines: tuple[str, ...]
    mandatory: tuple[Literal["project", "queue", "filesystems"], ...] = ()
    filesystems: str | None = None

    @model_validator(mode="after")
    def _lines_are_known(self) -> Directives:
        _check(self.lines, REQUESTED)
        return self


class Scratch(Facts):
    """Storage of a node's own.

    Attributes:
        folder: Where it is; ``$USER`` may stand in it.
    """

    folder: str


class RayNetwork(Facts):
    """What a Ray cluster needs to know.

    Attributes:
        host_suffix: What makes a host's name that of its address on the fast network.
        interface: The fast network's device, where there is no such name.
        directives: What the scheduler is told besides.
    """

    host_suffix: str | None = None
    interface: str | None = None
    directives: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> RayNetwork:
        if self.host_suffix and self.interface:
            raise ValueError("host_suffix and interface are two ways to the same address; give one")
        return self


class Site(BaseModel):
    """A site.

    Attributes:
        name: Its file's name.
        file: Its file.
        title: What people call it.
        scheduler: Which it has.
        retired: A line of what became of it, where it was switched off.
        default_queue: Where a job goes that names none; None where the scheduler decides.
        balsam: What ``deephyper balsam-init --site-type`` calls it, where it knows it.
        notes: What else to know.
        sources: Where the facts are stated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    file: Path
    title: str
    scheduler: Literal["pbs", "slurm", "cobalt"]
    retired: str | None = None
    default_queue: str | None = None
    balsam: str | None = None
    notes: tuple[str, ...] = ()
    directives: Directives
    queues: dict[str, Queue] = Field(default_factory=dict)
    node: Node = Node()
    gpu: Gpu | None = None
    launch: Launch
    environment: Environment = Environment()
    scratch: Scratch | None = None
    ray: RayNetwork | None = None
    sources: dict[str, Source] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_known(self) -> Site:
        if self.default_queue is not None and self.queues and self.default_queue not in self.queues:
            raise ValueError(f"default_queue {self.default_queue!r} is none of {', '.join(self.queues)}")
        for place, table in self.tables().items():
            for name in table.sources:
                if name not in self.sources:
                    raise ValueError(
                        f"{place} names the source {name!r}, which is none of {list(self.sources)}"
                    )
        return self

    def tables(self) -> dict[str, Facts]:
        """Return the tables of facts by their place in the file."""
        named = {name: value for name, value in self if isinstance(value, Facts)}
        return named | {f"queues.{name}": queue for name, queue in self.queues.items()}
