import numpy as np
import pytest
import torch
from field_problems import RING, box, inside, read

from pinn.field.device import choose_device
from pinn.field.network.mlp import MLP
from pinn.field.solution import Solution
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_chunks_make_no_difference(precision):
    problem = box(2, unknowns=("u", "v"))
    field = MLP(width=64, depth=2).field(problem, precision=precision)
    theta = field.initial(0).requires_grad_()
    points = inside(problem, np.random.default_rng(0), 5000)
    request = (("v", ((2, 0),)), ("u", ((0, 0),)))
    assert field.chunk(request) < 5000
    values = field.solution(theta)(points, request)
    assert values.dtype == np.float64
    whole = field.at(Sites(points), request).jets(theta).detach().double().numpy()
    np.testing.assert_allclose(
        values, whole, rtol=1e-5 if precision == "float32" else 1e-12, atol=1e-6 if precision == "float32" else 1e-13
    )


def test_without_request_all_values():
    problem = box(2, unknowns=("u", "v"))
    field = MLP(width=6, depth=2).field(problem)
    solution = Solution(field, field.initial(0))
    points = inside(problem, np.random.default_rng(0))
    assert np.array_equal(solution(points), solution(points, problem.values))
    assert solution(points[:0]).shape == (0, 2)
    assert tuple(solution.cuts) == ()


def test_unknown_names_are_refused():
    field = MLP(width=6, depth=2).field(read(RING))
    with pytest.raises(BadInput, match="unknown 'w' is not in the problem"):
        field.at(Sites(np.zeros((1, 2))), (("w", ((0, 0),)),))


def test_devices():
    assert choose_device("cpu", "float32") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda")
    for name, precision, message in [
        ("gpu", "float64", "must be one of cpu, cuda, cuda:1, mps, auto"),
        ("cpu:3", "float64", "must be one of"),
        ("mps", "float64", "float64 is not supported on mps; use float32"),
        ("cpu", "float16", "float16 is not supported on cpu; use float32"),
    ]:
        with pytest.raises(BadInput, match=message):
            choose_device(name, precision)


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_no_cuda(name):
    with pytest.raises(BadInput, match="no CUDA device; use device=cpu or auto") as caught:
        MLP().field(box(2), device=name)
    assert caught.value.setting == "device"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_cuda_gives_the_same_numbers(engine):
    problem = read(RING)
    points = inside(problem, np.random.default_rng(0), 100)
    request = (("u", ((2, 0),)), ("u", ((0, 1),)))
    values = []
    for device in ("cpu", "cuda"):
        field = MLP(width=16, depth=2).field(problem, engine, device=device, hard=("initial",))
        values.append(field.solution(field.initial(0))(points, request))
    np.testing.assert_allclose(*values, rtol=1e-10, atol=1e-10)
