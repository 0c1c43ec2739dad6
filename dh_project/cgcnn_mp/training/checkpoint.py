"""Checkpoints: weights with all settings needed to use them, written atomically and read without running code.

A checkpoint is a dict that ``torch.load(weights_only=True)`` reads. ``state_dict`` and ``normalizer`` have the names
and contents of the original CGCNN code. Our checkpoints also contain

- ``schema``, the version of this layout,
- ``model``, the arguments of ``CrystalGraphConvNet``, including ``classification`` if it is one,
- ``graphs``, the settings of the graphs,
- since schema 2, ``data`` with the names of the ``labels``, and ``element_features``.

A checkpoint of the original contains ``args``, its command line. ``original_checkpoint.py`` writes that form.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

import dh_project as dh
from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.network.kernels import GAUSSIAN_STEP
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer

SCHEMA = 2
"""Version of the checkpoint's layout."""

ORIGINAL_NEIGHBOURS, ORIGINAL_RADIUS, ORIGINAL_TIES = 12, 8.0, "pymatgen"
"""Default graph settings of the original code, assumed for its checkpoints; the radius is in Å."""


class CheckpointError(ValueError):
    """A file that is no checkpoint, is damaged, too new, or of another training. The message is one line."""


@dataclass(frozen=True)
class GraphSettings:
    """The settings of graphs; weights are valid only for graphs with the settings of their training.

    Attributes:
        radius: Cutoff radius, Å.
        step: Distance between Gaussian centres, Å.
        max_num_nbr: Nearest neighbours of each atom, at most.
        element_features: SHA-256 of the table of element features.
        ties: Rule for choosing among equally distant neighbours; see ``DataSettings``.
    """

    radius: float
    step: float
    max_num_nbr: int
    element_features: str
    ties: str = "environment"

    @classmethod
    def of(cls, crystals: CrystalSet) -> Self:
        """Return the graph settings of a set of crystals."""
        graphs = crystals.graphs
        digest = features_digest(graphs.element_features)
        return cls(graphs.radius, GAUSSIAN_STEP, graphs.max_num_nbr, digest, graphs.ties)


def fingerprint(crystals: CrystalSet) -> str:
    """Return a text that identifies a set of crystals and their labels."""
    digest = hashlib.sha256("\n".join(crystals.ids).encode())
    digest.update(crystals.labels.contiguous().numpy().tobytes())
    return f"{len(crystals)} crystals, digest {digest.hexdigest()[:12]}"


def features_digest(element_features: Tensor) -> str:
    """Return the SHA-256 of a table of element features, float32 (elements, features)."""
    return hashlib.sha256(element_features.cpu().contiguous().numpy().tobytes()).hexdigest()


def check_same(
    path: Path, what: str, saved: Mapping[str, Any], wanted: Mapping[str, Any], free: Collection[str] = ()
) -> None:
    """Check that a checkpoint has the wanted settings.

    Args:
        path: The checkpoint.
        what: A name for the settings, for the message.
        saved: The settings in the checkpoint.
        wanted: The wanted settings.
        free: Names of settings that may differ.

    Raises:
        CheckpointError: They differ. The message names each difference with both values.
    """
    names = [n for n in {**saved, **wanted} if n not in free and saved.get(n) != wanted.get(n)]
    if names:
        both = "; ".join(f"{name} {saved.get(name)!r}, not {wanted.get(name)!r}" for name in names)
        raise CheckpointError(f"{path} is of another training: {what} {both}")


def check_resumable(
    path: Path,
    state: Mapping[str, Any],
    wanted: Mapping[str, Mapping[str, Any]],
    free: Collection[str] = (),
) -> None:
    """Check that a training can be resumed from a checkpoint.

    Args:
        path: The checkpoint.
        state: Its contents.
        wanted: Graphs, model, data and settings of the training to resume.
        free: Names of settings that may differ.

    Raises:
        CheckpointError: It contains only weights, or is of another training.
    """
    if "schedule" not in state:
        what = "was written by another program or version" if "optimizer" in state else "holds weights alone"
        raise CheckpointError(f"{path} {what}; to go on, name a last.pt that this version wrote")
    planned, epochs = (settings.get("epochs") for settings in (state["settings"], wanted["settings"]))
    if None not in (planned, epochs) and planned != epochs:
        raise CheckpointError(
            f"{path} was planned for {planned} epochs, over which its {state['settings']['schedule']} schedule "
            f"goes, and {epochs} are asked for: go on with epochs={planned}, or train anew"
        )
    for what, values in wanted.items():
        check_same(path, what, state[what], values, free)


def save_checkpoint(path: Path, contents: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically: until it is on disk, the older file is kept.

    Raises:
        OSError: The file cannot be written.
    """
    write_saved(path, {"schema": SCHEMA, **contents})


def write_saved(path: Path, contents: Mapping[str, Any]) -> None:
    """Write a file for ``torch.load``, atomically.

    Raises:
        OSError: The file cannot be written.
    """
    content = io.BytesIO()  # if the disk is full, torch.save raises other errors than OSError
    torch.save(contents, content)
    with dh.files.replacing(path) as aside:
        aside.write_bytes(content.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, ours or the original's (``.pth.tar``), with all tensors on the CPU.

    Raises:
        OSError: The file cannot be opened.
        CheckpointError: The file is no checkpoint, is damaged, or has a newer schema.
    """
    with path.open("rb") as file, torch.serialization.safe_globals(_PLAIN_VALUES):
        try:
            contents = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file may raise anything
            raise CheckpointError(_why_unreadable(path, error)) from error
    if not isinstance(contents, dict) or not {"state_dict", "normalizer"} <= contents.keys():
        raise CheckpointError(f"{path} is no CGCNN checkpoint: it has no state_dict and normalizer")
    schema = contents.get("schema", 0)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise CheckpointError(
            f"{path} has schema {schema} and this program reads up to {SCHEMA}; update dh_project"
        )
    return contents


def _why_unreadable(path: Path, error: Exception) -> str:
    """Return the message for a file that ``torch.load`` refuses."""
    held = re.search(r"GLOBAL (\w+(?:\.\w+)+)", str(error))
    if held:
        return (
            f"{path} holds {held[1]}, which is code and no weights; it was not run, and the file is refused"
        )
    with path.open("rb") as file:
        if not file.read(2).startswith((b"PK", b"\x80")):
            return f"{path} is no checkpoint: PyTorch did not write this file"
    reason = dh.errors.one_line(error).partition(". ")[0][:150] or type(error).__name__
    return f"{path} is no checkpoint, or a damaged one: {reason}"


class _NumberType:
    """Replaces ``numpy.dtype`` while a checkpoint is read."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.byte_order = state[1]

    def read(self, content: bytes) -> int | float | bool:
        """Return the number stored in these bytes."""
        if not re.fullmatch(r"[biuf]\d", self.code) or self.byte_order not in ("<", ">", "|"):
            raise ValueError(f"a NumPy scalar of type {self.code}")
        number: int | float | bool = np.frombuffer(content, f"{self.byte_order}{self.code}", count=1)[
            0
        ].item()
        return number


def _read_number(kind: _NumberType, content: bytes) -> int | float | bool:
    return kind.read(content)


_PLAIN_VALUES: list[Any] = [
    argparse.Namespace,
    (_NumberType, "numpy.dtype"),
    (_read_number, "numpy.core.multiarray.scalar"),
    (_read_number, "numpy._core.multiarray.scalar"),
]
"""Objects other than tensors in checkpoints of the original: its options, and the AUC of a classifier.

The names are NumPy's. The functions here only read numbers, so no code from the file or from NumPy is run.
"""


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network with everything needed for predictions.

    Attributes:
        network: The network, in evaluation mode, on the CPU.
        normalizer: The normalizer of its labels.
        graphs: Settings of its training graphs; None if the checkpoint does not contain them (the original's).
        element_features: float32 (elements, features), zeros for elements without features; None if the checkpoint
            does not contain them (the original's, and ours of schema 1).
        label_names: Names of its targets; empty if the checkpoint does not contain them.
    """

    network: CrystalGraphConvNet
    normalizer: Normalizer
    graphs: GraphSettings | None
    element_features: Tensor | None
    label_names: tuple[str, ...]

    @property
    def targets(self) -> int:
        """Number of labels that it predicts; 1 for a classification."""
        return 1 if self.network.classification else self.network.fc_out.out_features

    @property
    def radius(self) -> float:
        """Cutoff radius, Å; for the original's checkpoints computed from the number of Gaussians (41: 8 Å)."""
        return self.graphs.radius if self.graphs else (self.network.nbr_fea_len - 1) * GAUSSIAN_STEP


def load_trained(path: Path) -> TrainedNetwork:
    """Load a trained network, ours or the original's.

    Raises:
        OSError: The file cannot be opened.
        CheckpointError: The file is no such checkpoint.
    """
    contents = load_checkpoint(path)
    try:
        architecture = infer_architecture(contents["state_dict"]) | {
            "classification": is_classifier(contents)
        }
        if not architecture["classification"]:
            architecture["targets"] = contents["state_dict"]["fc_out.weight"].shape[0]
        network = CrystalGraphConvNet(**architecture)
        network.load_state_dict(contents["state_dict"])
        normalizer = Normalizer(contents["normalizer"]["mean"], contents["normalizer"]["std"])
        label_names = tuple(contents.get("data", {}).get("labels", ()))
        graphs = GraphSettings(**contents["graphs"]) if "graphs" in contents else None
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError, IndexError) as error:
        lacking = "there is no " if isinstance(error, KeyError) else ""
        raise CheckpointError(
            f"{path} holds the weights of another network: {lacking}{dh.errors.one_line(error)[:200]}"
        ) from error
    return TrainedNetwork(
        network.eval(),
        normalizer,
        graphs,
        contents.get("element_features"),
        label_names,
    )


def is_classifier(contents: Mapping[str, Any]) -> bool:
    """Return whether the network of a checkpoint is a classifier.

    Checkpoints of this project and of the original say so. For others, two outputs are taken for two classes.
    """
    if "model" in contents:
        return bool(contents["model"].get("classification", False))
    if "args" in contents:
        return bool(original_args(contents).get("task") == "classification")
    return bool(contents["state_dict"]["fc_out.weight"].shape[0] == 2)


def original_args(contents: Mapping[str, Any]) -> dict[str, Any]:
    """Return the command-line options in a checkpoint of the original; empty if there are none."""
    args = contents.get("args", {})
    return dict(vars(args) if isinstance(args, argparse.Namespace) else args)


def infer_architecture(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of ``CrystalGraphConvNet``, without those of its head, from the shapes of its weights.

    Args:
        weights: The state dict of the network.

    Raises:
        KeyError: A weight that every CGCNN has is missing.
    """
    atom_fea_len, orig_atom_fea_len = weights["embedding.weight"].shape
    return {
        "orig_atom_fea_len": orig_atom_fea_len,
        "nbr_fea_len": weights["convs.0.fc_full.weight"].shape[1] - 2 * atom_fea_len,
        "atom_fea_len": atom_fea_len,
        "n_conv": sum(name.endswith("fc_full.weight") for name in weights),
        "h_fea_len": weights["conv_to_fc.weight"].shape[0],
        "n_h": 1 + sum(name.startswith("fcs.") and name.endswith("weight") for name in weights),
    }
