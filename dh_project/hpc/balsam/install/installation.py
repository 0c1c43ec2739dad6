"""The folder that ``deephyper balsam-init`` makes: what lies where in it, and what it says of itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from dh_project.common.errors import UserError
from dh_project.common.files import write_whole

TOKEN_NAME, LOGIN_NAME = "client.yml", "login.json"
"""In the private folder: the token, as Balsam's own client reads it, and the login that renews it."""

FOLDER_VARIABLE = "DH_PROJECT_BALSAM"
"""What ``activate`` sets: the folder of ``balsam-init``."""


class NodeKind(BaseModel):
    """What a site's compute nodes hold, as its launchers count it.

    Attributes:
        cores: Cores that jobs are given, the search's own driver among them.
        gpus: GPUs.
        packs: Whether several jobs of mpi mode may share a node.
    """

    cores: int
    gpus: int = 0
    packs: bool = True


class Description(BaseModel):
    """``installation.json``: what was set up.

    Attributes:
        schema_version: Of this file.
        balsam: Version of Balsam in the environment.
        site_type: ``local``, or a system that Balsam ships settings for.
        site_name: The site's name on the server.
        site_id: Its number there.
        url: Address of the server.
        owns_server: Whether the server is this folder's own.
        node: What its compute nodes hold.
    """

    schema_version: int = 1
    balsam: str
    site_type: str
    site_name: str
    site_id: int
    url: str
    owns_server: bool
    node: NodeKind


@dataclass(frozen=True)
class Installation:
    """Every path of a folder of ``balsam-init``; nothing else builds their names."""

    folder: Path

    @property
    def description_file(self) -> Path:
        """What was set up; it is written last, so that a folder without it is unfinished."""
        return self.folder / "installation.json"

    @property
    def activate(self) -> Path:
        """To be sourced by a shell."""
        return self.folder / "activate"

    @property
    def environment(self) -> Path:
        """Balsam's own virtual environment."""
        return self.folder / "environment"

    @property
    def python(self) -> Path:
        """The interpreter in it."""
        return self.environment / "bin" / "python"

    @property
    def private(self) -> Path:
        """What only the user may read."""
        return self.folder / "private"

    @property
    def token_file(self) -> Path:
        """The token, as Balsam's own client reads it."""
        return self.private / TOKEN_NAME

    @property
    def login_file(self) -> Path:
        """Name and password on a server of one's own, by which a token is renewed; a hosted server has none here."""
        return self.private / LOGIN_NAME

    @property
    def server(self) -> Path:
        """The server's database, log and process numbers."""
        return self.folder / "server"

    @property
    def site(self) -> Path:
        """The site, as Balsam lays it out: ``settings.yml``, ``job-template.sh``, ``data``, ``log``, ``qsubmit``."""
        return self.folder / "site"

    @property
    def data(self) -> Path:
        """Where jobs run."""
        return self.site / "data"

    @property
    def settings_file(self) -> Path:
        """Settings of the site that this package reads: image, work directory, data places, outputs."""
        return self.folder / "dh_project.toml"

    def describe(self) -> Description:
        """Return what was set up.

        Raises:
            UserError: This is no such folder, or an unfinished one.
        """
        try:
            return Description.model_validate_json(self.description_file.read_text())
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{self.folder}: this is no Balsam folder that is complete; make or mend it with: "
                f"deephyper balsam-init {self.folder}"
            ) from None
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ": ".join([str(self.description_file), *map(str, wrong["loc"])])
            raise UserError(
                f"{where}: {wrong['msg']}; mend the folder with: deephyper balsam-init {self.folder}"
            ) from None

    def write_description(self, description: Description) -> None:
        """Say what was set up."""
        write_whole(self.description_file, description.model_dump_json(indent=1) + "\n")


def has_active_installation() -> bool:
    """Return whether a Balsam folder is activated in this shell."""
    return bool(os.environ.get(FOLDER_VARIABLE))


def active_installation(folder: Path | None = None) -> Installation:
    """Return the folder that is named, or else the one that is activated.

    Raises:
        UserError: None is, or it is not complete.
    """
    if folder is None:
        named = os.environ.get(FOLDER_VARIABLE)
        if not named:
            raise UserError(
                "no Balsam folder is activated; make one with: deephyper balsam-init DIR, then: source DIR/activate"
            )
        folder = Path(named)
    installation = Installation(folder.absolute())
    installation.describe()
    return installation
