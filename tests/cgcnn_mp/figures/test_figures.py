"""Figures of a training, from its files."""

import csv
from dataclasses import replace

import pytest
import torch
from pymatgen.core import Element
from random_graphs import random_sets

from dh_project.cgcnn_mp.figures import training_figures as figures
from dh_project.cgcnn_mp.figures.training_figures import (
    draw_parity,
    draw_residuals_by_element,
    draw_roc,
    draw_training_curve,
)
from dh_project.cgcnn_mp.training.evaluation import predict
from dh_project.cgcnn_mp.training.loop import train
from dh_project.cgcnn_mp.training.settings import Settings

QUICK = Settings(epochs=2, batch_size=8, device="cpu")
SMALL = {"atom_fea_len": 4, "n_conv": 1, "h_fea_len": 4}


def trained(folder, labels=lambda labels: labels, names=("label",), **architecture):
    folder.mkdir()
    sets = random_sets()
    graphs = replace(sets[0].graphs, labels=labels(sets[0].graphs.labels), label_names=names)
    sets = [replace(crystals, graphs=graphs) for crystals in sets]
    outcome = train(*sets, architecture=SMALL | architecture, settings=QUICK, folder=folder)
    return folder, sets, outcome


@pytest.fixture(scope="module")
def one_target(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("one") / "training")


@pytest.fixture(scope="module")
def two_targets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "training"
    return trained(folder, lambda labels: torch.cat([labels, -labels], dim=1), ("energy", "gap"))


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes") / "training"
    return trained(folder, lambda labels: (labels > labels.median()).double(), classification=True)


def assert_picture(path, folder):
    assert path.parent == folder
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("training", ["one_target", "two_targets", "classes"])
def test_the_training_curve_of_every_task(training, request):
    folder, _, _ = request.getfixturevalue(training)
    assert_picture(draw_training_curve(folder, "eV/atom"), folder)


@pytest.mark.parametrize("training", ["one_target", "two_targets"])
def test_parity(training, request):
    folder, _, _ = request.getfixturevalue(training)
    assert_picture(draw_parity(folder, "eV/atom"), folder)


def test_parity_shows_the_training_set_behind_the_others(one_target, monkeypatch):
    monkeypatch.setattr(figures, "_saved", lambda figure, path: figure)
    sets = draw_parity(one_target[0], "").axes[0].collections
    assert [drawn.get_label().partition(":")[0] for drawn in sets] == ["train", "validation", "test"]
    assert len({drawn.get_zorder() for drawn in sets}) == 1  # so that their order decides
    looks = [tuple(drawn.get_facecolor()[0]) for drawn in sets]
    assert len(set(looks)) == 3
    assert looks[0][3] < min(looks[1][3], looks[2][3])


def test_parity_s_legend_is_outside_and_its_axes_name_quantity_and_unit(one_target, monkeypatch):
    monkeypatch.setattr(figures, "_saved", lambda figure, path: figure)
    figure = draw_parity(one_target[0], "eV/atom", "band_gap")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "band gap: label (eV/atom)"
    assert axes.get_ylabel() == "band gap: prediction (eV/atom)"
    figure.canvas.draw()
    inside = axes.get_window_extent()
    assert axes.get_legend().get_window_extent().y0 >= inside.y1 - 5
    assert axes.get_xlim() == axes.get_ylim()


def test_figures_are_also_written_as_pdf(one_target):
    folder = one_target[0]
    for name, draw in (("parity", draw_parity), ("training_curve", draw_training_curve)):
        draw(folder, "")
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_each_element_has_a_place_of_its_own_in_the_periodic_table():
    elements = [Element.from_Z(number) for number in range(1, 104)]
    places = [figures._place(element) for element in elements]
    assert len(set(places)) == len(places)
    assert figures._place(Element("Fe")) == (8.0, 4.0)


def test_a_curve_that_falls_far_has_a_logarithmic_axis(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "_saved", lambda figure, path: figure)
    for errors, scale in (((9.0, 0.5, 0.4), "log"), ((0.9, 0.5, 0.4), "linear")):
        rows = "".join(f"{epoch},{error}\n" for epoch, error in enumerate(errors, start=1))
        (tmp_path / "history.csv").write_text(f"epoch,val_mae\n{rows}")
        assert draw_training_curve(tmp_path, "").axes[0].get_yscale() == scale


def test_the_roc_curve_of_a_classification(classes):
    assert_picture(draw_roc(classes[0]), classes[0])


def residuals(folder):
    with (folder / "residuals_by_element.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_residuals_by_element(one_target):
    folder, sets, outcome = one_target
    elements = {name: {"H"} | ({"O"} if name.endswith("1") else set()) for name in sets[0].graphs.ids}
    assert_picture(draw_residuals_by_element(folder, elements, "eV/atom"), folder)
    assert_picture(folder / "residuals_periodic_table.png", folder)
    rows = residuals(folder)
    assert [(row["set"], row["element"]) for row in rows] == [
        (name, element) for name in ("train", "validation", "test") for element in ("H", "O")
    ]
    errors = predict(outcome.network, outcome.normalizer, sets[2]) - sets[2].labels
    oxides = torch.tensor([name.endswith("1") for name in sets[2].ids])
    assert int(rows[5]["crystals"]) == oxides.sum()
    assert float(rows[5]["mae"]) == pytest.approx(errors[oxides].abs().mean().item())
    assert float(rows[5]["mean_error"]) == pytest.approx(errors[oxides].mean().item())
    assert float(rows[4]["mae"]) == pytest.approx(outcome.test["mae"])


def test_residuals_of_several_targets_with_elements_from_the_graphs(two_targets):
    folder, sets, _ = two_targets
    assert_picture(draw_residuals_by_element(folder, sets[0].graphs, ""), folder)
    rows = residuals(folder)
    names = ["mae:energy", "mean_error:energy", "mae:gap", "mean_error:gap"]
    assert list(rows[0]) == ["set", "element", "crystals", *names]
    atoms = torch.repeat_interleave(sets[0].graphs.first_class.diff())
    helium = set(atoms[sets[0].graphs.elements == 1].tolist()) & set(sets[2].rows.tolist())
    found = [int(row["crystals"]) for row in rows if (row["set"], row["element"]) == ("test", "He")]
    assert found == ([len(helium)] if helium else [])


def test_without_a_training_there_is_nothing_to_draw(tmp_path):
    for draw in (draw_training_curve, draw_parity):
        with pytest.raises(FileNotFoundError):
            draw(tmp_path, "eV/atom")
