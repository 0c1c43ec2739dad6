"""Random crystal graphs. Their labels are a function of their elements and distances."""

import torch

from dh_project.cgcnn_mp.graphs.batches import CrystalGraphs, CrystalSet, first_positions

ELEMENTS, FEATURES = 20, 92
DISTANCES = 6


def random_graphs(crystals=60, neighbours=12, seed=0, symmetric=True):
    """Return graphs with 1 to 6 classes for each crystal, and the same number of neighbours for each atom.

    If they are not ``symmetric``, each class is one atom and each edge one neighbour.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, size):
        return torch.randint(low, high, (size,), generator=generator)

    class_counts = draw(1, 7, crystals)
    owners = torch.repeat_interleave(class_counts)
    classes = len(owners)
    repeats = torch.ones(classes, neighbours, dtype=torch.int64)
    if symmetric:  # cut the neighbours of each class into runs
        runs = torch.rand(classes, neighbours, generator=generator) < 0.4
        runs[:, 0] = True
        repeats = torch.zeros(classes, neighbours, dtype=torch.int64)
        repeats.scatter_add_(1, runs.long().cumsum(1) - 1, torch.ones_like(repeats))
    present = repeats > 0
    edges = int(present.sum())
    choice = torch.rand(edges, generator=generator)
    elements = draw(0, ELEMENTS, classes)
    steps = 0.3 + 0.7 * torch.rand(crystals, DISTANCES, generator=generator)
    shells = torch.sort(torch.randint(0, DISTANCES, present.shape, generator=generator), dim=1).values
    heat = torch.zeros(crystals, dtype=torch.float64).index_add_(0, owners, elements.double() / ELEMENTS)
    return CrystalGraphs(
        ids=[f"crystal-{i}" for i in range(crystals)],
        radius=8.0,
        max_num_nbr=neighbours,
        element_features=torch.randint(0, 2, (ELEMENTS, FEATURES), generator=generator).float(),
        elements=elements.to(torch.uint8),
        multiplicities=(draw(1, 5, classes) if symmetric else torch.ones(classes)).to(torch.uint8),
        neighbours=(choice * class_counts[owners].repeat_interleave(present.sum(1))).to(torch.int16),
        shells=shells[present].to(torch.uint8),
        repeats=repeats[present].to(torch.uint8),
        distances=(1.2 + steps.cumsum(1)).flatten(),
        first_class=first_positions(class_counts),
        first_edge=first_positions(present.sum(1)),
        first_distance=torch.arange(crystals + 1) * DISTANCES,
        labels=(heat / class_counts - steps[:, 0].double()).unsqueeze(1),
    )


def random_sets(graphs=None):
    """Return training, validation and test sets over one graphs object: 60, 20 and 20 percent."""
    graphs = random_graphs() if graphs is None else graphs
    rows = torch.arange(len(graphs))
    cut, end = int(0.6 * len(graphs)), int(0.8 * len(graphs))
    return tuple(CrystalSet(graphs, part) for part in (rows[:cut], rows[cut:end], rows[end:]))


def unfolded(batch):
    """Return a batch with every atom and every neighbour, as the original network takes it.

    Returns:
        Elements (atoms,); for each atom its neighbours and their distances, (atoms, M) each; and for each
        crystal its atoms.
    """
    edges = batch.edges
    copies = edges.multiplicities.long()
    first_atom = first_positions(copies)
    neighbours, distances = [], []
    for kind in range(len(copies)):
        part = slice(*edges.first[kind : kind + 2].tolist())
        repeats = edges.repeats[part].long()
        neighbours.append(first_atom[edges.neighbours[part].long()].repeat_interleave(repeats))
        distances.append(batch.distances[edges.shells[part].long()].repeat_interleave(repeats))
    crystals = batch.crystals.long().repeat_interleave(copies)
    return (
        batch.elements.repeat_interleave(copies),
        torch.stack(neighbours).repeat_interleave(copies, dim=0),
        torch.stack(distances).repeat_interleave(copies, dim=0),
        [torch.nonzero(crystals == crystal).flatten() for crystal in range(len(batch.atom_counts))],
    )
