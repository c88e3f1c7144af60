"""Several processes that train one network: `torchrun --nproc-per-node N -m skin_teleop.cli.main pretrain ...`.

What is random is drawn for the batch of all ranks and cut, so that N ranks do what one would do with the same batch;
gradients are averaged after the backward pass, in one message. Without torchrun every function here costs nothing.
Drop path is drawn by each rank for itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

PATIENCE = timedelta(hours=6)
"""How long ranks wait for each other: rank 0 probes alone at the end, for longer than torch's ten minutes perhaps."""


@contextmanager
def ranks_of_torchrun() -> Iterator[None]:
    """Join the ranks that torchrun started, if it did; NCCL between GPUs, Gloo between processors."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world() -> int:
    """Number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def leads() -> bool:
    """True in the process that writes files."""
    return rank() == 0


def own_part(drawn: Tensor, dim: int = 0) -> Tensor:
    """This rank's part of what was drawn for the batch of all ranks."""
    return drawn if world() == 1 else drawn.chunk(world(), dim)[rank()]


def of_all_ranks(values: Tensor, dim: int) -> Tensor:
    """The batches of all ranks behind each other, this rank's at `rank()`; gradients find their way back."""
    if world() == 1:
        return values
    gathered: Tensor = _Gather.apply(values, dim)  # type: ignore[no-untyped-call]
    return gathered


class _Gather(torch.autograd.Function):
    """A part's gradient is the sum of what all ranks say about it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, dim: int) -> Tensor:
        ctx.dim = dim
        parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(world())]
        distributed.all_gather(parts, values.contiguous())
        return torch.cat(parts, dim)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous()
        distributed.all_reduce(gradient)
        return own_part(gradient, ctx.dim), None


def mean_of_all_ranks(rows: Tensor) -> Tensor:
    """(K,) mean of rows (M, K), where ranks may hold different numbers of them; without gradient."""
    if world() == 1:
        return rows.mean(0)
    total = torch.cat([rows.detach().sum(0), rows.new_tensor([len(rows)])])
    distributed.all_reduce(total)
    return total[:-1] / total[-1]


def mean_scalar(value: Tensor) -> Tensor:
    """The mean over ranks of one number, without gradient."""
    return mean_of_all_ranks(value.detach().reshape(1, 1))[0]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Put the mean over ranks in the place of every gradient."""
    if world() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(together)
    together /= world()
    parts = torch.split(together, [gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, parts, strict=True):
        gradient.copy_(mean.view_as(gradient))


def any_rank(asked: bool, device: torch.device) -> bool:
    """True where one of the ranks says so: all of them stop after the same step."""
    if world() == 1:
        return asked
    said = torch.tensor([float(asked)], device=device)
    distributed.all_reduce(said, distributed.ReduceOp.MAX)
    return bool(said.item())


def number_of_rank_0(value: int, device: torch.device) -> int:
    """What rank 0 settled on; also a point that all ranks reach together."""
    if world() == 1:
        return value
    told = torch.tensor([value if leads() else 0], device=device)
    distributed.all_reduce(told)
    return int(told.item())
