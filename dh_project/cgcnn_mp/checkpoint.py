"""Checkpoints: weights with what they mean, written whole or not at all, read without running code.

A checkpoint is a dict that ``torch.load(weights_only=True)`` reads. ``state_dict`` and ``normalizer`` stand
where the original CGCNN code puts them, so that either program finds the other's weights.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from dh_project.cgcnn_mp.graphs import CrystalSet
from dh_project.cgcnn_mp.model import GAUSSIAN_STEP, CrystalGraphConvNet
from dh_project.cgcnn_mp.normalizer import Normalizer
from dh_project.files import replacing

SCHEMA = 1
"""Version of the checkpoint's layout."""


class CheckpointError(ValueError):
    """A file that is no checkpoint, is damaged, too new, or of another training; one line says which."""


@dataclass(frozen=True)
class GraphSettings:
    """What the features of a graph depend on; weights mean nothing for graphs made otherwise.

    Attributes:
        radius: Cutoff radius, Å.
        step: Distance between Gaussian centres, Å.
        max_num_nbr: Neighbours an atom.
        element_features: SHA-256 of the table of element features.
    """

    radius: float
    step: float
    max_num_nbr: int
    element_features: str

    @classmethod
    def of(cls, crystals: CrystalSet) -> Self:
        """Return the settings that a set's graphs were made with."""
        table = crystals.graphs.element_features.cpu().contiguous().numpy().tobytes()
        digest = hashlib.sha256(table).hexdigest()
        return cls(crystals.graphs.radius, GAUSSIAN_STEP, crystals.graphs.max_num_nbr, digest)


def check_same(path: Path, what: str, saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a checkpoint was written with the settings that are wanted now.

    Raises:
        CheckpointError: They differ; the message names each that does, with both values.
    """
    names = [name for name in {**saved, **wanted} if saved.get(name) != wanted.get(name)]
    if names:
        both = "; ".join(f"{name} {saved.get(name)!r}, not {wanted.get(name)!r}" for name in names)
        raise CheckpointError(f"{path} is of another training: {what} {both}")


def check_resumable(path: Path, state: Mapping[str, Any], wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that a training can go on from a checkpoint.

    Args:
        path: The checkpoint.
        state: What it holds.
        wanted: Graphs, model, data and settings of the training that shall go on.

    Raises:
        CheckpointError: It holds weights alone, or is of another training.
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
        check_same(path, what, state[what], values)


def save_checkpoint(path: Path, contents: Mapping[str, Any]) -> None:
    """Write a checkpoint; until it is on disk, an older one of that name stays.

    Raises:
        OSError: It cannot be written.
    """
    with replacing(path) as aside:
        torch.save({"schema": SCHEMA, **contents}, aside)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, ours or the original's (``.pth.tar``), onto the CPU.

    Raises:
        OSError: It cannot be opened.
        CheckpointError: It is none, is damaged, or is of a newer schema.
    """
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path} is no checkpoint, or a damaged one: {reason}") from error
    if not isinstance(contents, dict) or not {"state_dict", "normalizer"} <= contents.keys():
        raise CheckpointError(f"{path} is no CGCNN checkpoint: it has no state_dict and normalizer")
    if contents.get("schema", 0) > SCHEMA:
        raise CheckpointError(
            f"{path} has schema {contents['schema']} and this program reads up to {SCHEMA}; update dh_project"
        )
    return contents


def load_network(path: Path) -> tuple[CrystalGraphConvNet, Normalizer]:
    """Load a trained network, ours or the original's, in evaluation mode, with its normaliser.

    Raises:
        OSError: The file cannot be opened.
        CheckpointError: It is no such checkpoint.
    """
    contents = load_checkpoint(path)
    weights, normalizer = contents["state_dict"], contents["normalizer"]
    try:
        normalizer = Normalizer(normalizer["mean"], normalizer["std"])
        network = CrystalGraphConvNet(**infer_architecture(weights, len(normalizer.mean)))
        network.load_state_dict(weights)
    except (KeyError, RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path} holds the weights of another network: {reason}") from error
    return network.eval(), normalizer


def infer_architecture(weights: Mapping[str, Tensor], targets: int) -> dict[str, Any]:
    """Read the arguments of ``CrystalGraphConvNet`` from the shapes of its weights and the number of targets.

    A classification has two outputs and one target.

    Raises:
        KeyError: A weight that every CGCNN has is not there.
    """
    atom_fea_len, orig_atom_fea_len = weights["embedding.weight"].shape
    return {
        "orig_atom_fea_len": orig_atom_fea_len,
        "nbr_fea_len": weights["convs.0.fc_full.weight"].shape[1] - 2 * atom_fea_len,
        "atom_fea_len": atom_fea_len,
        "n_conv": sum(name.endswith("fc_full.weight") for name in weights),
        "h_fea_len": weights["conv_to_fc.weight"].shape[0],
        "n_h": 1 + sum(name.startswith("fcs.") and name.endswith("weight") for name in weights),
        "targets": targets,
        "classification": weights["fc_out.weight"].shape[0] == targets + 1,
    }
