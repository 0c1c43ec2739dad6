"""A stand-in for CUDA graphs on a CPU: it records torch's operators with their tensors, and replays them.

Like a CUDA graph, a replay runs the same operators on the same memory, with the Python numbers of the recording.
Python code is not run again. Operators that would wait for a GPU cannot be part of a CUDA graph, so they are refused.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

WAITING = {
    torch.ops.aten._local_scalar_dense.default,  # .item(), .tolist(), float(tensor), if tensor
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten._unique2.default,
    torch.ops.aten.unique_dim.default,
    torch.ops.aten.bincount.default,
}


class WouldWait(Exception):
    """An operator that makes the CPU wait for a GPU."""


def check_waits_for_nothing(function, arguments, options):
    indices = arguments[1] if function is torch.ops.aten.index.Tensor else []
    mask = any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)
    sizeless = function is torch.ops.aten.repeat_interleave.Tensor and options.get("output_size") is None
    if function in WAITING or mask or sizeless:
        raise WouldWait(str(function))


class _Mode(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        check_waits_for_nothing(function, arguments, options)
        as_now = _aliases((arguments, options))  # their shapes may still change in place
        result = function(*arguments, **options)
        self.calls.append((function, *as_now, _aliases(result)))
        return result


def _aliases(values):
    return tree_map_only(torch.Tensor, torch.Tensor.detach, values)


class OperatorRecorder:
    """Has the methods of ``CudaRecorder``. A recording must not change tensors, so their changes are undone."""

    def __init__(self, state):
        self.state = state  # returns the tensors that an action changes
        self.recorded = 0

    def warm_up(self, action):
        with _Mode():
            return action()

    def record(self, action):
        self.recorded += 1
        before = [tensor.detach().clone() for tensor in self.state()]
        with _Mode() as mode:
            result = action()
        with torch.no_grad():
            for tensor, value in zip(self.state(), before, strict=True):
                tensor.copy_(value)

        def replay():
            with torch.no_grad():
                for function, arguments, options, recorded in mode.calls:
                    found = function(*arguments, **options)
                    for old, new in zip(tree_leaves(recorded), tree_leaves(found), strict=True):
                        if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                            old.copy_(new)
            return result

        return replay
