"""The hyperparameters of CGCNN and where a search of them begins.

``python -m dh_project.cgcnn_mp.problem`` prints them.
"""

from dh_project import HpProblem

Problem = HpProblem()

# training
Problem.add_dim("lr", (1e-3, 3e-2, "log-uniform"))
Problem.add_dim("weight_decay", (1e-8, 1e-1, "log-uniform"))
Problem.add_dim("batch_size", [64, 128, 256])
Problem.add_dim("optim", ["SGD", "Adam", "AdamW"])
Problem.add_dim("dropout", (0.0, 0.2))

# architecture
Problem.add_dim("atom_fea_len", (32, 96, "log-uniform"))
Problem.add_dim("n_conv", (2, 5))
Problem.add_dim("h_fea_len", (32, 256, "log-uniform"))
Problem.add_dim("n_h", (1, 3))

# graph
Problem.add_dim("max_num_nbr", [8, 12])

# The defaults of the original's command line.
Problem.add_starting_point(
    lr=0.01,
    weight_decay=1e-8,
    batch_size=256,
    optim="SGD",
    dropout=0.0,
    atom_fea_len=64,
    n_conv=3,
    h_fea_len=128,
    n_h=1,
    max_num_nbr=12,
)

# A configuration that learns quickly: small batches, decoupled weight decay, eight neighbours.
Problem.add_starting_point(
    lr=0.005,
    weight_decay=0.01,
    batch_size=64,
    optim="AdamW",
    dropout=0.0,
    atom_fea_len=64,
    n_conv=3,
    h_fea_len=128,
    n_h=1,
    max_num_nbr=8,
)

if __name__ == "__main__":
    print(Problem)
