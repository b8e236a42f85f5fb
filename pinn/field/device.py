"""Where and in which precision a field computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinn.problem.settings import BadInput

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float64", "float32")


def choose_device(name: str = "cpu", precision: str = "float64") -> torch.device:
    """Return the device called ``cpu``, ``cuda``, ``cuda:1``, ``mps`` or ``auto`` (the first of cuda, mps, cpu that can do it).

    Raises
    ------
    BadInput : no such device here, or one that does not have the precision.
    """
    import torch

    check_precision(name, precision)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        has_mps = torch.backends.mps.is_available() and precision == "float32"
        return torch.device("mps" if has_mps else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not (number.isdecimal() and kind == "cuda")):
        raise BadInput(f"must be one of cpu, cuda, cuda:1, mps, auto, got '{name}'", "device")
    if kind == "cuda":
        _check_cuda(name, int(number or 0))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise BadInput("mps: no Apple GPU; use device=cpu or auto", "device")
    return torch.device(name)


def check_precision(device: str, precision: str) -> None:
    """Raise `BadInput` when the device cannot compute in this precision."""
    if precision not in PRECISIONS:
        raise BadInput(f"{precision} is not supported on {device}; use float32 or float64", "precision")
    if device == "mps" and precision == "float64":
        raise BadInput("float64 is not supported on mps; use float32", "precision")


def _check_cuda(name: str, number: int) -> None:
    import torch

    if not torch.cuda.is_available():
        raise BadInput(f"{name}: no CUDA device; use device=cpu or auto", "device")
    if number >= torch.cuda.device_count():
        raise BadInput(f"{name}: this machine has {torch.cuda.device_count()} CUDA device(s), counted from 0", "device")
