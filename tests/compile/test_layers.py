"""Every class of `nn` and every function of `nn.functional`: compiled, they train as in eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.compile import seeing
from tests.compile.programs import ROUNDING, agrees, labels, numbers

import streetlight as sl
from streetlight import nn, optim
from streetlight.nn import functional as F


def probabilities(*shape: int, seed: int = 0) -> sl.Tensor:
    return sl.sigmoid(numbers(*shape, seed=seed))


def weighted(result: sl.Tensor) -> sl.Tensor:
    """A sum of squares that differ in weight: plain ones are always the same after a norm."""
    count = result.numel()
    weights = sl.linspace(0.5, 1.5, count) if count > 1 else sl.ones(count)
    return (result * result * weights.reshape(result.shape).to(result.dtype)).sum()


def tokens(*shape: int) -> sl.Tensor:
    return labels(int(sl.ones(shape).sum().item()), 7).reshape(shape)


# By class: makers of layers, each with the inputs that it gets.
LAYERS: dict[str, list[tuple[Callable[[], Any], Callable[[], Any]]]] = {
    "Linear": [
        (lambda: nn.Linear(3, 4), lambda: [numbers(5, 3)]),
        (lambda: nn.Linear(3, 4, bias=False), lambda: [numbers(2, 5, 3)]),
        (lambda: nn.Linear(3, 1), lambda: [numbers(3)]),
    ],
    "Embedding": [
        (lambda: nn.Embedding(7, 3), lambda: [tokens(2, 5)]),
        (lambda: nn.Embedding(7, 3, padding_idx=0), lambda: [tokens(6)]),
    ],
    "BatchNorm1d": [
        (lambda: nn.BatchNorm1d(3), lambda: [numbers(5, 3)]),
        (lambda: nn.BatchNorm1d(3, affine=False), lambda: [numbers(4, 3, 5)]),
        (lambda: nn.BatchNorm1d(3, track_running_stats=False), lambda: [numbers(5, 3)]),
    ],
    "LayerNorm": [
        (lambda: nn.LayerNorm(3), lambda: [numbers(5, 3)]),
        (lambda: nn.LayerNorm((4, 3), bias=False), lambda: [numbers(2, 4, 3)]),
        (lambda: nn.LayerNorm(3, elementwise_affine=False), lambda: [numbers(5, 3)]),
    ],
    "RMSNorm": [
        (lambda: nn.RMSNorm(3), lambda: [numbers(5, 3)]),
        (lambda: nn.RMSNorm(3, eps=1e-3, elementwise_affine=False), lambda: [numbers(5, 3)]),
    ],
    "Dropout": [
        (lambda: nn.Dropout(0.5), lambda: [numbers(4, 6)]),
        (lambda: nn.Dropout(1.0), lambda: [numbers(4)]),
        (lambda: nn.Dropout(0.0), lambda: [numbers(4)]),
        (lambda: nn.Dropout(0.3, generator=sl.Generator()), lambda: [numbers(4, 6)]),
    ],
    "Flatten": [
        (lambda: nn.Flatten(), lambda: [numbers(2, 3, 4)]),
        (lambda: nn.Flatten(0, 1), lambda: [numbers(2, 3, 4)]),
    ],
    "Identity": [(lambda: nn.Identity(), lambda: [numbers(2, 3)])],
    "ReLU": [(lambda: nn.ReLU(), lambda: [numbers(3, 4)])],
    "LeakyReLU": [(lambda: nn.LeakyReLU(0.1), lambda: [numbers(3, 4)])],
    "ELU": [(lambda: nn.ELU(0.7), lambda: [numbers(3, 4)])],
    "GELU": [
        (lambda: nn.GELU(), lambda: [numbers(3, 4)]),
        (lambda: nn.GELU("tanh"), lambda: [numbers(3, 4)]),
    ],
    "SiLU": [(lambda: nn.SiLU(), lambda: [numbers(3, 4)])],
    "Sigmoid": [(lambda: nn.Sigmoid(), lambda: [numbers(3, 4)])],
    "Tanh": [(lambda: nn.Tanh(), lambda: [numbers(3, 4)])],
    "Softplus": [(lambda: nn.Softplus(2.0, 1.5), lambda: [numbers(3, 4)])],
    "Softmax": [(lambda: nn.Softmax(1), lambda: [numbers(3, 4)])],
    "LogSoftmax": [(lambda: nn.LogSoftmax(0), lambda: [numbers(3, 4)])],
    "Sequential": [
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
         lambda: [numbers(5, 3)]),
    ],
    "MSELoss": [(nn.MSELoss, lambda: [numbers(5, 3), numbers(5, 3, seed=1)])],
    "L1Loss": [(nn.L1Loss, lambda: [numbers(5, 3), numbers(5, 3, seed=1)])],
    "SmoothL1Loss": [
        (lambda: nn.SmoothL1Loss(beta=0.5), lambda: [numbers(5, 3), numbers(5, 3, seed=1)]),
    ],
    "HuberLoss": [
        (lambda: nn.HuberLoss(reduction="sum"), lambda: [numbers(5, 3), numbers(5, 3, seed=1)]),
    ],
    "KLDivLoss": [
        (lambda: nn.KLDivLoss(reduction="batchmean"),
         lambda: [numbers(4, 3), F.softmax(numbers(4, 3, seed=1), 1)]),
        (lambda: nn.KLDivLoss(log_target=True), lambda: [numbers(4, 3), numbers(4, 3, seed=1)]),
    ],
    "BCELoss": [
        (lambda: nn.BCELoss(numbers(3).abs()),
         lambda: [probabilities(5, 3), probabilities(5, 3, seed=1)]),
    ],
    "BCEWithLogitsLoss": [
        (nn.BCEWithLogitsLoss, lambda: [numbers(5, 3), probabilities(5, 3)]),
        (lambda: nn.BCEWithLogitsLoss(pos_weight=numbers(3).abs(), weight=numbers(3).abs()),
         lambda: [numbers(5, 3), probabilities(5, 3)]),
    ],
    "NLLLoss": [
        (lambda: nn.NLLLoss(weight=numbers(4).abs()),
         lambda: [F.log_softmax(numbers(5, 4), 1), labels(5, 4)]),
    ],
    "CrossEntropyLoss": [
        (nn.CrossEntropyLoss, lambda: [numbers(5, 4), labels(5, 4)]),
        (lambda: nn.CrossEntropyLoss(weight=numbers(4).abs(), label_smoothing=0.1, ignore_index=2),
         lambda: [numbers(6, 4), labels(6, 4)]),
        (lambda: nn.CrossEntropyLoss(reduction="none"),
         lambda: [numbers(2, 4, 3), labels(6, 4).reshape(2, 3)]),
        (nn.CrossEntropyLoss, lambda: [numbers(5, 4), F.softmax(numbers(5, 4, seed=1), 1)]),
    ],
}  # fmt: skip
HOLDERS = {"Module", "ModuleDict", "ModuleList"}  # they have no forward of their own
CASES = [
    pytest.param(make, given, id=f"{name}-{number}")
    for name, cases in {**LAYERS, **seeing.LAYERS}.items()
    for number, (make, given) in enumerate(cases)
]


def test_every_layer_is_here() -> None:
    classes = {name for name in nn.__all__ if isinstance(vars(nn)[name], type)}
    modules = {name for name in classes if issubclass(vars(nn)[name], nn.Module)}
    assert modules - HOLDERS == LAYERS.keys() | seeing.LAYERS.keys()


@pytest.mark.parametrize(("make", "given"), CASES)
def test_layer_trains_as_in_eager(make: Any, given: Any) -> None:
    """Three steps of training and a call in evaluation mode, with the gradient of the input."""

    def program(compile: Any) -> Any:
        layer, inputs = make(), given()
        optimizer = optim.SGD([*layer.parameters()] or [sl.zeros(1, requires_grad=True)], lr=0.1)

        @compile
        def step(*inputs: Any) -> Any:
            optimizer.zero_grad()
            result = layer(*inputs)
            loss = weighted(result)
            if loss.requires_grad:
                loss.backward()
                optimizer.step()
            return result, loss, [parameter.grad for parameter in layer.parameters()]

        for x in inputs:
            x.requires_grad_(x.is_floating_point())
        trained = [step(*inputs) for _ in range(3)]
        slopes = [x.grad for x in inputs]
        layer.eval()
        with sl.no_grad():
            tested = compile(layer)(*inputs)
        return trained, slopes, tested, layer.state_dict()

    agrees(program)


def attention_inputs(length: int = 4) -> tuple[sl.Tensor, sl.Tensor, sl.Tensor]:
    query = numbers(2, 3, length, 5)
    return query, numbers(2, 3, 6, 5, seed=1), numbers(2, 3, 6, 7, seed=2)


# By function: calls of it on tensors; what is compiled is the function that makes the call.
CALLS: dict[str, list[tuple[Callable[..., Any], Callable[[], Any]]]] = {
    "relu": [(F.relu, lambda: [numbers(3, 4)])],
    "leaky_relu": [(lambda x: F.leaky_relu(x, 0.2), lambda: [numbers(3, 4)])],
    "elu": [(lambda x: F.elu(x, alpha=1.5), lambda: [numbers(3, 4)])],
    "gelu": [(F.gelu, lambda: [numbers(3, 4)])],
    "silu": [(F.silu, lambda: [numbers(3, 4)])],
    "softplus": [(F.softplus, lambda: [numbers(3, 4) * 20])],
    "sigmoid": [(F.sigmoid, lambda: [numbers(3, 4)])],
    "tanh": [(F.tanh, lambda: [numbers(3, 4)])],
    "softmax": [(lambda x: F.softmax(x, 0), lambda: [numbers(3, 4)])],
    "log_softmax": [(lambda x: F.log_softmax(x, -1), lambda: [numbers(3, 4)])],
    "pad": [(lambda x: F.pad(x, (1, 2, 0, 1), value=0.5), lambda: [numbers(3, 4)])],
    "linear": [(F.linear, lambda: [numbers(3, 4), numbers(2, 4), numbers(2)])],
    "embedding": [(lambda i, w: F.embedding(i, w, 1), lambda: [tokens(2, 3), numbers(7, 4)])],
    "one_hot": [(lambda i: F.one_hot(i, 9), lambda: [tokens(2, 3)])],
    "dropout": [(lambda x: F.dropout(x, 0.25), lambda: [numbers(3, 4)])],
    "normalize": [
        (F.normalize, lambda: [numbers(3, 4)]),
        (lambda x: F.normalize(x, 1.0, 0), lambda: [numbers(3, 4)]),
    ],
    "layer_norm": [
        (lambda x, w, b: F.layer_norm(x, (4,), w, b), lambda: [numbers(3, 4), numbers(4),
                                                               numbers(4, seed=1)]),
    ],
    "rms_norm": [(lambda x, w: F.rms_norm(x, (4,), w), lambda: [numbers(3, 4), numbers(4)])],
    "batch_norm": [
        (lambda x: F.batch_norm(x, None, None, training=True), lambda: [numbers(5, 3)]),
        (lambda x, m, v: F.batch_norm(x, m.detach(), v.detach()),
         lambda: [numbers(5, 3), numbers(3), numbers(3).abs()]),
    ],
    "cosine_similarity": [(F.cosine_similarity, lambda: [numbers(3, 4), numbers(3, 4, seed=1)])],
    "pairwise_distance": [(F.pairwise_distance, lambda: [numbers(3, 4), numbers(3, 4, seed=1)])],
    "scaled_dot_product_attention": [
        (F.scaled_dot_product_attention, attention_inputs),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3),
         lambda: attention_inputs(6)),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, sl.ones(4, 6).bool()),
         attention_inputs),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=0.4), attention_inputs),
    ],
    "mse_loss": [(F.mse_loss, lambda: [numbers(4, 3), numbers(4, 3, seed=1)])],
    "l1_loss": [
        (lambda x, y: F.l1_loss(x, y, reduction="none"),
         lambda: [numbers(4, 3), numbers(4, 3, seed=1)]),
    ],
    "smooth_l1_loss": [(F.smooth_l1_loss, lambda: [numbers(4, 3), numbers(4, 3, seed=1)])],
    "huber_loss": [(F.huber_loss, lambda: [numbers(4, 3), numbers(4, 3, seed=1)])],
    "binary_cross_entropy": [
        (F.binary_cross_entropy, lambda: [probabilities(4, 3), probabilities(4, 3, seed=1)]),
    ],
    "binary_cross_entropy_with_logits": [
        (F.binary_cross_entropy_with_logits, lambda: [numbers(4, 3), probabilities(4, 3, seed=1)]),
    ],
    "kl_div": [
        (F.kl_div, lambda: [F.log_softmax(numbers(4, 3), 1), F.softmax(numbers(4, 3, seed=1), 1)]),
    ],
    "nll_loss": [(F.nll_loss, lambda: [F.log_softmax(numbers(4, 3), 1), labels(4, 3)])],
    "cross_entropy": [(F.cross_entropy, lambda: [numbers(4, 3), labels(4, 3)])],
}  # fmt: skip
CALL_CASES = [
    pytest.param(call, given, id=f"{name}-{number}")
    for name, cases in {**CALLS, **seeing.CALLS}.items()
    for number, (call, given) in enumerate(cases)
]


def test_every_function_is_here() -> None:
    assert set(sl.functional.__all__) == CALLS.keys() | seeing.CALLS.keys()


@pytest.mark.parametrize("dtype", [sl.float32, sl.float64, sl.float16], ids=str)
@pytest.mark.parametrize(("call", "given"), CALL_CASES)
def test_function_and_its_gradients_equal_eager(call: Any, given: Any, dtype: Any) -> None:
    def program(compile: Any) -> Any:
        inputs = [x.to(dtype) if x.is_floating_point() else x for x in given()]
        leaves = [x.detach().requires_grad_() for x in inputs if x.is_floating_point()]

        @compile
        def run(*inputs: Any) -> Any:
            result = call(*inputs)
            wanted = [x for x in inputs if x.requires_grad]
            if not result.requires_grad:
                return result
            return result, sl.grad(weighted(result), wanted, allow_unused=True)

        rest = iter(leaves)
        inputs = [next(rest) if x.is_floating_point() else x for x in inputs]
        return [run(*inputs) for _ in range(2)]

    agrees(program, rounding=ROUNDING | {"float16": (1e-2, 1e-2)})  # norms cancel a digit of three
