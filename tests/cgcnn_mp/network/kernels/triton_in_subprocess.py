"""Runs the Triton kernels without a GPU and prints JSON. It is a script, because Triton reads its mode at import.

TRITON_INTERPRET=1 python triton_in_subprocess.py       # largest relative error of each result, by case
python triton_in_subprocess.py 90                       # kernels that compile for a GPU of capability 9.0
"""

import itertools
import json
import sys
import warnings

import torch

from dh_project.cgcnn_mp.graphs.batches import moved
from dh_project.cgcnn_mp.network.kernels import Edges, torch_gate

CLASSES, DISTANCES = 7, 5
RESULTS = ("mean", "variance", "forward", "own", "other", "bond", "weight", "bias")


def random_edges(seed=0):
    """Return edges: some classes have none, one has more than a block, with repeats and a multiplicity of 0."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor([17, 3, 0, 5, 8, 1, 0])
    edges = int(counts.sum())
    return Edges(
        first=torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int(),
        classes=torch.repeat_interleave(counts).int(),
        neighbours=torch.randint(0, CLASSES, (edges,), generator=generator).int(),
        shells=torch.randint(0, DISTANCES, (edges,), generator=generator).int(),
        repeats=torch.randint(1, 6, (edges,), generator=generator).float(),
        multiplicities=torch.tensor([1.0, 4.0, 2.0, 0.0, 3.0, 1.0, 0.0]),
        distance_count=DISTANCES,
    )


def results(kernels, width, training, dtype=torch.float32, device="cpu"):
    """Return the results of a kernel module for fixed random values, in the order of RESULTS."""
    generator = torch.Generator().manual_seed(width)

    def random(*shape):
        return torch.randn(*shape, generator=generator)

    # rounded for both sides alike, so that the inputs' precision is no error
    shares = [random(rows, 2 * width).to(dtype) for rows in (CLASSES, CLASSES, DISTANCES)]
    if kernels is torch_gate:
        shares = [share.float() for share in shares]
    mean, scale, shift = random(2 * width), random(2 * width), random(2 * width)
    deviation, gradient = random(2 * width).abs() + 0.5, random(CLASSES, width)
    mean, scale, shift, deviation, gradient, *shares = (
        value.to(device) for value in (mean, scale, shift, deviation, gradient, *shares)
    )
    edges = moved(random_edges(), device)
    total = edges.total if training else None
    return [
        *statistics(kernels, *shares, edges),
        kernels.forward(*shares, edges, scale, shift),
        *kernels.backward(gradient, *shares, edges, scale, shift, mean, deviation, total),
    ]


def statistics(kernels, own, other, bond, edges):
    if kernels is not torch_gate:
        return kernels.statistics(own, other, bond, edges)
    sums = edges.class_weights @ own + edges.neighbour_weights @ other + edges.shell_weights @ bond
    mean = sums / edges.total
    return mean, torch_gate.variance(own, other, bond, edges, mean)


def relative_errors(found, right):
    """Return the largest error of each result, relative to its largest value."""
    pairs = zip(found, right, strict=True)
    return [((a.float().cpu() - b.float()).abs().max() / b.abs().max()).item() for a, b in pairs]


def errors_by_case():
    from dh_project.cgcnn_mp.network.kernels import triton_gate

    cases = [
        *itertools.product((1, 3, 20, 64, 128), (True, False), (torch.float32,)),
        *itertools.product((20,), (True,), (torch.bfloat16, torch.float16)),
    ]
    return {
        f"{width} {training} {str(dtype).removeprefix('torch.')}": relative_errors(
            results(triton_gate, width, training, dtype), results(torch_gate, width, training, dtype)
        )
        for width, training, dtype in cases
    }


def compiled_kernels(capability):
    """Compile the kernels of a training step for a GPU of this capability, without launching them."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    class NoDriver:
        def get_current_target(self):
            return GPUTarget("cuda", capability, 32)

        def get_current_device(self):
            return 0

        def get_current_stream(self, device=None):
            return 0

    driver.set_active(NoDriver())
    from dh_project.cgcnn_mp.network.kernels import triton_gate

    machine_code = {}

    def only_compile(name, kernel):
        compile_and_launch = kernel.run

        def compile_only(*arguments, grid, warmup, **options):
            made = compile_and_launch(*arguments, grid=grid, warmup=True, **options)
            machine_code[name] = len(made.asm["cubin"])

        kernel.run = compile_only

    for name, kernel in vars(triton_gate).items():
        if name.endswith("_kernel"):
            only_compile(name, kernel)
    for width, training, dtype in itertools.product((3, 64), (True, False), (torch.float32, torch.bfloat16)):
        results(triton_gate, width, training, dtype)
    return machine_code


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(compiled_kernels(int(sys.argv[1])) if len(sys.argv) > 1 else errors_by_case()))
