"""Graphs of crystals that never were, whose label their elements and distances decide."""

import torch

from dh_project.cgcnn_mp.graphs import CrystalGraphs, CrystalSet

ELEMENTS, FEATURES = 20, 92


def random_graphs(crystals=60, neighbours=12, seed=0, smallest=1):
    """Return graphs of 1 to 8 atoms a crystal, every neighbour there."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(smallest, 9, (crystals,), generator=generator)
    first = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    atoms = int(first[-1])
    owner_size = sizes.repeat_interleave(sizes).unsqueeze(1)
    choice = torch.rand(atoms, neighbours, generator=generator)
    elements = torch.randint(0, ELEMENTS, (atoms,), generator=generator, dtype=torch.uint8)
    distances = (1.5 + 4 * torch.rand(atoms, neighbours, generator=generator)).sort(dim=1).values
    heat = elements.double() / ELEMENTS - distances.double().mean(dim=1) / 4
    labels = torch.stack([part.mean() for part in heat.split(sizes.tolist())])
    return CrystalGraphs(
        ids=[f"crystal-{i}" for i in range(crystals)],
        radius=8.0,
        element_features=torch.randint(0, 2, (ELEMENTS, FEATURES), generator=generator).float(),
        elements=elements,
        neighbours=(choice * owner_size).to(torch.int16),
        distances=distances,
        first_atom=first,
        labels=labels,
        fewest_neighbours=neighbours,
    )


def random_sets(graphs=None, max_num_nbr=12):
    """Return training, validation and test sets over one graphs object: 60, 20 and 20 percent."""
    graphs = random_graphs() if graphs is None else graphs
    rows = torch.arange(len(graphs))
    cut, end = int(0.6 * len(graphs)), int(0.8 * len(graphs))
    return tuple(CrystalSet(graphs, part, max_num_nbr) for part in (rows[:cut], rows[cut:end], rows[end:]))
