"""The crystal graph convolutional neural network (CGCNN) of Xie and Grossman.

T. Xie and J. C. Grossman, Phys. Rev. Lett. 120, 145301 (2018), https://doi.org/10.1103/PhysRevLett.120.145301.
Parameters have the names of the authors' code, so weights can be exchanged in both directions. The result is the same
too. It is computed differently: a convolution's matrix is applied to atoms and to bonds separately, each element is
embedded once, equivalent atoms are computed once, and missing neighbours are not padded.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dh_project.cgcnn_mp.graphs.batches import Batch
from dh_project.cgcnn_mp.network.batch_norm import BatchNorm, WeightedBatchNorm
from dh_project.cgcnn_mp.network.kernels import Bonds, Edges, gated_sum, residual


class ConvLayer(nn.Module):
    """One gated graph convolution, equation 5 of the paper.

    With z_ij = [v_i, v_j, u_ij], the features of atom i, of its neighbour j and of the bond between them, it is

        v_i' = softplus(v_i + BN(sum_j sigmoid(BN(z_ij W_f + b_f)) * softplus(BN(z_ij W_s + b_s))))

    As in the authors' code, it has batch normalisation BN and an outer softplus, which the paper's equation lacks.

    Args:
        atom_fea_len: Number A of atom features.
        nbr_fea_len: Number G of bond features.
    """

    def __init__(self, atom_fea_len: int, nbr_fea_len: int) -> None:
        super().__init__()
        self.fc_full = nn.Linear(2 * atom_fea_len + nbr_fea_len, 2 * atom_fea_len)
        self.bn1 = BatchNorm(2 * atom_fea_len)
        self.bn2 = WeightedBatchNorm(atom_fea_len)

    def forward(self, atoms: Tensor, bonds: Bonds, edges: Edges, rows: Tensor | None = None) -> Tensor:
        """Apply the convolution.

        Args:
            atoms: float32 (N, A), features of each class of equivalent atoms.
            bonds: Features of each distance.
            edges: The neighbours of each class.
            rows: int32 (N,), the row of ``atoms`` of each class, if classes share features; ``atoms`` is then
                float32 (R, A). None: class i has row i.

        Returns:
            float32 (N, A).
        """
        size = atoms.shape[1]
        # W [v_i, v_j, u_ij] = W1 v_i + W2 v_j + W3 u_ij: two terms for each atom, one for each distance
        w_own, w_other, w_bond = self.fc_full.weight.split([size, size, bonds.count], dim=1)
        own, other = F.linear(atoms, w_own, self.fc_full.bias), F.linear(atoms, w_other)
        if rows is not None:
            atoms, own, other = (values.index_select(0, rows) for values in (atoms, own, other))
        terms = (atoms, own, other, bonds.times(w_bond))
        # matrix products may use a lower precision, but sums and statistics do not
        atoms, own, other, bond = (term.to(self.bn1.weight.dtype) for term in terms)
        with torch.autocast(atoms.device.type, enabled=False):
            messages = gated_sum(own, other, bond, edges, self.bn1)
            return residual(atoms, messages, edges.multiplicities, self.bn2, edges.ranks)


class CrystalGraphConvNet(nn.Module):
    """CGCNN: embedding, convolutions, mean over the atoms of each crystal, hidden layers, head.

    Modules are created in the order of the original code, so equal seeds give equal initial weights.

    Args:
        orig_atom_fea_len: Number of element features (92 in the paper).
        nbr_fea_len: Number G of Gaussians in which a distance is expanded; see ``count_gaussians``.
        atom_fea_len: Number A of atom features in the convolutions.
        n_conv: Number of convolutions.
        h_fea_len: Number H of crystal features after pooling.
        n_h: Number of hidden layers after pooling.
        targets: Number of labels that the network predicts.
        classification: Whether the network predicts the log-probabilities of two classes instead.
        dropout: Probability of dropout after the first hidden layer; None: 0.5 for classification (as in the
            original), 0 for regression.
    """

    def __init__(
        self,
        orig_atom_fea_len: int,
        nbr_fea_len: int,
        atom_fea_len: int = 64,
        n_conv: int = 3,
        h_fea_len: int = 128,
        n_h: int = 1,
        targets: int = 1,
        classification: bool = False,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.nbr_fea_len = nbr_fea_len
        self.classification = classification
        self.embedding = nn.Linear(orig_atom_fea_len, atom_fea_len)
        self.convs = nn.ModuleList(ConvLayer(atom_fea_len, nbr_fea_len) for _ in range(n_conv))
        self.conv_to_fc = nn.Linear(atom_fea_len, h_fea_len)
        self.fcs = nn.ModuleList(nn.Linear(h_fea_len, h_fea_len) for _ in range(n_h - 1))
        self.fc_out = nn.Linear(h_fea_len, 2 if classification else targets)
        self.dropout = nn.Dropout((0.5 if classification else 0.0) if dropout is None else dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Predict the normalised labels of C crystals.

        Args:
            batch: The graphs of the crystals.

        Returns:
            float32 (C, targets); for classification the log-probabilities, float32 (C, 2).
        """
        bonds = Bonds(batch.distances, self.nbr_fea_len)
        atoms = self.embedding(batch.element_features)
        rows: Tensor | None = (
            batch.elements
        )  # before the first convolution, atoms of one element have the same features
        for conv in self.convs:
            atoms, rows = conv(atoms, bonds, batch.edges, rows), None
        atoms = atoms * batch.edges.multiplicities.unsqueeze(1)
        sums = atoms.new_zeros(len(batch.atom_counts), atoms.shape[1]).index_add(0, batch.crystals, atoms)
        means = sums / batch.atom_counts.unsqueeze(1)
        crystals = self.dropout(F.softplus(self.conv_to_fc(F.softplus(means))))
        for fc in self.fcs:
            crystals = F.softplus(fc(crystals))
        outputs: Tensor = self.fc_out(crystals)
        return F.log_softmax(outputs, dim=1) if self.classification else outputs
