"""The content of a site file: queues and their limits, nodes, GPUs, launch line, directives.

Every table names its ``sources``: keys of the table ``sources``, which holds the page of each source and the date at
which that page stated the facts. A user's own file may leave the sources out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from dh_project.hpc.sites.queues import Queue
from dh_project.hpc.sites.tables import REQUESTED, Facts, Line, Source, Table, check_placeholders

LAUNCHED = (
    *("ranks", "ranks_per_node", "nodes", "binding", "others", "hosts", "this_host"),
    *("cores", "threads", "core_lists"),
)
"""Placeholders that a launch line may hold."""


class Node(Facts):
    """A node.

    Attributes:
        cores: Physical cores; None if a job has to count them itself.
        sockets: Sockets, which have equal numbers of consecutive cores.
        reserved_cores: Numbers of the cores that jobs do not get.
        threads_per_core: Hardware threads of a core.
        shared: Whether jobs of other users may run on the node at the same time.
    """

    cores: Annotated[PositiveInt, Field(le=4096)] | None = None  # the script may list them
    sockets: PositiveInt = 1
    reserved_cores: tuple[NonNegativeInt, ...] = ()
    threads_per_core: PositiveInt = 1
    shared: bool = False

    @model_validator(mode="after")
    def _jobs_get_some(self) -> Node:
        if self.cores is not None and self.cores % self.sockets:
            raise ValueError(f"cores {self.cores} are not a multiple of sockets {self.sockets}")
        if self.cores is not None and any(core >= self.cores for core in self.reserved_cores):
            raise ValueError(
                f"reserved_cores {list(self.reserved_cores)} are not all of 0 to {self.cores - 1}"
            )
        if self.cores is not None and not all(self.cores_of_sockets):
            raise ValueError(f"reserved_cores {list(self.reserved_cores)} leave no core of a socket for jobs")
        return self

    @property
    def cores_of_sockets(self) -> list[list[int]]:
        """The numbers of the cores that a job gets on each socket."""
        size = (self.cores or 0) // self.sockets
        sockets = [range(first, first + size) for first in range(0, size * self.sockets, size or 1)]
        return [[core for core in socket if core not in self.reserved_cores] for socket in sockets]

    @property
    def usable_cores(self) -> int | None:
        """How many cores a job gets."""
        return None if self.cores is None else sum(map(len, self.cores_of_sockets))


class Gpu(Facts):
    """The GPUs of a node.

    Attributes:
        count: Number of devices that programs see.
        model: Name of the model.
        variable: The variable by which a script shows each rank its own GPUs; ``launcher`` if the launch line already
            shows each rank one GPU.
        order: The device of each local rank, chosen to be near the rank's cores; by default in ascending order.
    """

    count: PositiveInt = Field(le=1024)  # the script lists them
    model: Line = ""
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

    @property
    def may_be_amds(self) -> bool:
        """Whether a launcher may show the GPUs through the variables of AMD."""
        return self.variable in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "launcher")

    @property
    def is_seen_by_ranks(self) -> bool:
        """Whether a rank of the evaluator ``mpi`` can count the GPUs that it is shown."""
        return self.variable != "ZE_AFFINITY_MASK"


class Launch(Facts):
    """How programs are started on the nodes of a job.

    Attributes:
        ranks: The line that starts ranks on all nodes.
        binding: The part of that line that binds ranks to cores.
        bindings: Other bindings, by the number of ranks on a node that needs them.
        others: The line that starts one process on each node except this one.
        local_rank: Variables that hold the local rank of a process; the first one that is set counts.
    """

    ranks: str
    binding: str = ""
    bindings: dict[Annotated[str, Field(pattern=r"^[1-9]\d*$")], str] = Field(default_factory=dict)
    others: str | None = None
    local_rank: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _lines_are_known(self) -> Launch:
        lines = [self.ranks, self.binding, *self.bindings.values(), self.others or ""]
        check_placeholders(lines, LAUNCHED)
        return self


class Environment(Facts):
    """The environment of a job's shell.

    Attributes:
        login_shell: Whether the script runs in a login shell.
        modules: Lines that make Python and libraries available.
        variables: Variables to set.
        setup: Further lines.
        proxies: Variables through which a node reaches the internet; a search does not need them.
    """

    login_shell: bool = False
    modules: tuple[str, ...] = ()
    variables: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], Line] = Field(default_factory=dict)
    setup: tuple[str, ...] = ()
    proxies: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], Line] = Field(default_factory=dict)


class Directives(Facts):
    """The directives of a script.

    Attributes:
        lines: Directives without the scheduler's prefix. A line is left out if the request lacks one of its parts.
        mandatory: Parts of a request that the scheduler demands.
        filesystems: Default of the file systems that a job needs, in the scheduler's notation.
    """

    lines: tuple[str, ...]
    mandatory: tuple[Literal["project", "queue", "filesystems"], ...] = ()
    filesystems: Line | None = None

    @model_validator(mode="after")
    def _lines_are_known(self) -> Directives:
        check_placeholders(self.lines, REQUESTED)
        return self


class Scratch(Facts):
    """Local storage of a node.

    Attributes:
        folder: Its folder, which may contain ``$USER``.
    """

    folder: Line


class RayNetwork(Facts):
    """The network of a Ray cluster.

    Attributes:
        host_suffix: Suffix that turns a host's name into its name on the fast network.
        interface: The device of the fast network, if there is no such name.
        directives: Further directives for the scheduler.
    """

    host_suffix: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None = None
    interface: Annotated[str, Field(pattern=r"^[\w.:@-]+$")] | None = None
    directives: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> RayNetwork:
        check_placeholders(self.directives, REQUESTED)
        if self.host_suffix and self.interface:
            raise ValueError("host_suffix and interface are two ways to the same address; give one")
        return self


class Site(Table):
    """A site: the content of its file.

    Attributes:
        name: The name of the file, without its ending.
        file: The path of the file.
        title: Name for people.
        scheduler: The scheduler's kind.
        hosts: Patterns for the full name of a login node or the name of the cluster; ``*`` is a wildcard. If there
            are none, any machine with the scheduler's commands is taken for the site.
        retired: If the site was switched off, a line that says so.
        default_queue: The queue of a job that names none; None if the scheduler decides.
        balsam: The name of the site for ``deephyper balsam-init --site-type``, if Balsam knows it.
        notes: Lines that are printed for every job.
        sources: The pages that state the facts.
    """

    name: str
    file: Path
    title: Line
    scheduler: Literal["pbs", "slurm", "cobalt"]
    hosts: tuple[Line, ...] = ()
    retired: Line | None = None
    default_queue: Line | None = None
    balsam: Line | None = None
    notes: tuple[Line, ...] = ()
    directives: Directives
    queues: dict[Line, Queue] = Field(default_factory=dict)
    node: Node = Field(default_factory=Node)
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
        """Return the tables of facts by their keys in the file."""
        named = {name: value for name, value in self if isinstance(value, Facts)}
        return named | {f"queues.{name}": queue for name, queue in self.queues.items()}
