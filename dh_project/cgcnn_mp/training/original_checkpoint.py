"""``python -m dh_project.cgcnn_mp.training.original_checkpoint CHECKPOINT OUT.pth.tar``: for the original CGCNN.

It writes a trained network in the format of the original code (github.com/txie-93/cgcnn), for its ``predict.py``
and ``main.py --resume``, and for ``cgcnn2``. CHECKPOINT is a path, SEARCH:TRIAL or SEARCH:best, as for ``deephyper
predict``. The original builds graphs of 12 neighbours within 8 Å and reads the ``atom_init.json`` of the data.
Weights that were trained with other settings, or with several targets, are refused. If several neighbours have the
same distance and not all of them fit into the 12, the original keeps other ones than ``ties=environment`` does, and
its predictions differ.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import dh_project as dh
from dh_project.cgcnn_mp.crystals.settings import LIKE_ORIGINAL
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer
from dh_project.cgcnn_mp.training.checkpoint import (
    ORIGINAL_NEIGHBOURS,
    ORIGINAL_RADIUS,
    CheckpointError,
    TrainedNetwork,
    load_checkpoint,
    load_trained,
    original_args,
    write_saved,
)
from dh_project.cgcnn_mp.training.checkpoint_path import find_checkpoint
from dh_project.cgcnn_mp.training.settings import OPTIMIZERS

SETTINGS = ("lr", "weight_decay", "momentum", "optim", "batch_size")
"""The fields of ``Settings`` that are options of the original."""


def save_original(
    path: Path,
    network: CrystalGraphConvNet,
    normalizer: Normalizer,
    *,
    epoch: int = 0,
    best_error: float = 0.0,
    settings: Mapping[str, Any] | None = None,
    optimizer: Mapping[str, Any] | None = None,
) -> None:
    """Write a network in the format of the original's ``main.py``.

    Args:
        path: The file; an older one is kept until the new one is on disk.
        network: The network.
        normalizer: The normalizer of its label.
        epoch: Number of epochs of its training.
        best_error: Validation MAE of the weights (the original's ``best_mae_error``).
        settings: The known ones of ``lr``, ``weight_decay``, ``momentum``, ``optim``, ``batch_size``.
        optimizer: State of the optimizer; None: that of a new optimizer.

    Raises:
        CheckpointError: The network predicts several targets.
        OSError: The file cannot be written.
    """
    if not network.classification and network.fc_out.out_features != 1:
        raise CheckpointError(
            f"the network predicts {network.fc_out.out_features} targets, and the original code only one"
        )
    known = {"lr": 0.01, "weight_decay": 0.0, "momentum": 0.9, "optim": "SGD", "batch_size": 256} | {
        name: value for name, value in (settings or {}).items() if isinstance(value, int | float | str)
    }
    contents = {
        "epoch": epoch,
        "state_dict": network.state_dict(),
        "best_mae_error": best_error,
        "optimizer": dict(optimizer) if optimizer else _new_optimizer(network, known),
        "normalizer": {
            name: torch.as_tensor(value, dtype=torch.float64).reshape(())
            for name, value in (("mean", normalizer.mean), ("std", normalizer.std))
        },
        "args": known
        | {
            "task": "classification" if network.classification else "regression",
            "atom_fea_len": network.embedding.out_features,
            "n_conv": len(network.convs),
            "h_fea_len": network.conv_to_fc.out_features,
            "n_h": 1 + len(network.fcs),
        },
    }
    write_saved(path, contents)


def _new_optimizer(network: CrystalGraphConvNet, settings: Mapping[str, Any]) -> dict[str, Any]:
    momentum = {"momentum": settings["momentum"]} if settings["optim"] == "SGD" else {}
    optimizer = OPTIMIZERS[settings["optim"]](
        network.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"], **momentum
    )
    return optimizer.state_dict()


def convert(checkpoint: Path, path: Path) -> bool:
    """Write one of our checkpoints in the original's format.

    Returns:
        Whether it was trained with the original's rule for equally distant neighbours.

    Raises:
        OSError: A file cannot be opened or written.
        CheckpointError: The file is no checkpoint, or the original code would compute another prediction.
    """
    trained, contents = load_trained(checkpoint), load_checkpoint(checkpoint)
    _check_that_it_can(checkpoint, trained)
    history = contents.get("history") or [contents]
    settings = contents.get("settings") or original_args(contents)
    save_original(
        path,
        trained.network,
        trained.normalizer,
        epoch=int(history[-1].get("epoch", 0)),
        best_error=float(history[-1].get("val_mae", contents.get("best_mae_error", 0.0))),
        settings={name: settings[name] for name in SETTINGS if name in settings},
        optimizer=contents.get("optimizer"),
    )
    return trained.graphs is None or trained.graphs.ties in LIKE_ORIGINAL


def _check_that_it_can(checkpoint: Path, trained: TrainedNetwork) -> None:
    """Refuse weights whose training graphs the original code does not build."""
    neighbours = trained.graphs.max_num_nbr if trained.graphs else ORIGINAL_NEIGHBOURS
    if (neighbours, round(trained.radius, 6)) != (ORIGINAL_NEIGHBOURS, ORIGINAL_RADIUS):
        raise CheckpointError(
            f"{checkpoint} was trained on {neighbours} neighbours within {trained.radius:g} Å, and the "
            f"original code makes graphs of {ORIGINAL_NEIGHBOURS} within {ORIGINAL_RADIUS:g} Å"
        )


def main(words: Sequence[str] | None = None) -> int:
    """Convert a checkpoint; return the exit status."""
    return dh.exit_status(_convert, words, dh.MISTAKES)


def _convert(words: Sequence[str]) -> None:
    if len(words) != 2 or words[0].startswith("-"):
        raise dh.UserError(
            "give a checkpoint and an output file: "
            "python -m dh_project.cgcnn_mp.training.original_checkpoint SEARCH:best weights.pth.tar"
        )
    path = Path(words[1])
    checkpoint = find_checkpoint(words[0])
    dh.files.check_output(path, (".pth.tar",), option="", inputs=[checkpoint])
    has_its_ties = convert(checkpoint, path)
    print(f"wrote {path}, of {checkpoint}")
    if not has_its_ties:
        print(
            "it was trained with ties=environment. The original keeps other ones of equally distant neighbours, so "
            "its predictions differ; train with ties=pymatgen for weights that agree",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
