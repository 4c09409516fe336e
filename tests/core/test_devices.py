"""The seam to CUDA, with a stand-in for CuPy: NumPy arrays of a class of their own."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight import devices
from streetlight.errors import DeviceError, GradientError


class CudaArray(np.ndarray):
    """Stays itself under all operations, as arrays of CuPy do."""


class CudaError(Exception):
    pass


def on_cuda(name: str) -> Any:
    """NumPy's function of that name with results of the other class."""

    def function(*inputs: Any, **options: Any) -> Any:
        result = getattr(np, name)(*inputs, **options)
        return result.view(CudaArray) if isinstance(result, np.ndarray) else result

    return function


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module: Any = ModuleType("cupy")
    module.__getattr__ = on_cuda
    module.ndarray = CudaArray
    module.asarray = lambda array: np.array(array).view(CudaArray)
    module.asnumpy = lambda array: np.array(array)
    runtime = SimpleNamespace(CUDARuntimeError=CudaError, getDeviceCount=lambda: 1)
    module.cuda = SimpleNamespace(
        Device=lambda i: SimpleNamespace(use=lambda: None), runtime=runtime
    )
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(devices, "cupy", None)
    return module


def test_operations_and_gradients_stay_on_the_device(cupy: ModuleType) -> None:
    x = sl.tensor([1.0, 2.0], device="cuda", requires_grad=True)
    w = sl.tensor([3.0, 4.0]).cuda()
    y = (x * w).exp().sum()
    y.backward()
    assert x.device == w.device == y.device == x.grad.device == "cuda"
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.exp([3.0, 8.0]) * [3.0, 4.0], rtol=1e-6)
    assert repr(w) == "tensor([3., 4.], shape=(2,), dtype=float32, device=cuda)"
    assert w.cpu().device == "cpu"
    assert w.to("cuda:0") is w
    assert sl.zeros_like(w).device == "cuda"
    assert sl.cuda.is_available()


def test_devices_do_not_mix(cupy: ModuleType) -> None:
    words = r"(?s)the inputs lie on different devices, cpu and cuda.*all on one device.*\.to\("
    for operation in (sl.add, sl.matmul, sl.maximum):
        with pytest.raises(DeviceError, match=words):
            operation(sl.ones(2).cuda(), sl.ones(2))
    assert (sl.ones(2).cuda() * 2.0).device == "cuda"


def test_what_stays_on_the_cpu(cupy: ModuleType) -> None:
    x = sl.ones(2).cuda()
    with pytest.raises(
        DeviceError, match=r"(?s)numpy: the tensor lies on cuda.*x\.cpu\(\)\.numpy\(\)"
    ):
        x.numpy()
    recorded = sl.ones(2, requires_grad=True) * 2
    with pytest.raises(GradientError, match="to: a recorded tensor cannot change its device"):
        recorded.cuda()


def test_a_device_that_does_not_answer(cupy: Any) -> None:
    def fail(number: int) -> None:
        raise CudaError("no CUDA-capable device is detected")

    cupy.cuda.Device = fail
    with pytest.raises(DeviceError, match=r"(?s)no CUDA device answers: no CUDA-capable.*x\.to\("):
        sl.ones(2).cuda()
    assert not sl.cuda.is_available()
