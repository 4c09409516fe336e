"""State around a traced function: buffers, gradients, optimisers, generators, their paths."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.graph.test_trace_training import batches, network, training_step
from tests.graph.tracing import agree, holds, run, same, traced_or_run

import streetlight as sl
import streetlight.nn.functional as F
from streetlight import nn, optim
from streetlight.graph import trace, verify
from streetlight.graph.trace import NotYet, trace_call


class Norm(nn.Module):
    def __init__(self) -> None:
        self.weight = nn.Parameter(sl.ones(7))
        self.register_buffer("mean", sl.zeros(7))
        self.register_buffer("var", sl.ones(7))
        self.register_buffer("count", sl.tensor(0))

    def forward(self, x: Any) -> Any:
        if self.training:
            self.count += 1
        return F.batch_norm(x, self.mean, self.var, self.weight, None, self.training)


def paths(traced: Any) -> dict[str, str]:
    return {given.path: given.kind for given in traced.graph.inputs}


def test_buffers_change_in_place() -> None:
    def build() -> Any:
        model = nn.Sequential(Norm(), network())
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        return training_step(model, optimizer), (model, optimizer)

    (traced,) = agree(build, batches())
    verify(traced.graph)
    assert paths(traced)["0.mean"] == "buffer"
    assert paths(traced)["0.weight"] == "parameter"
    assert paths(traced)["optimizer.lr"] == "number"
    updated = {value.name for value in traced.graph.updates}
    assert {"mean", "var", "count", "weight"} <= updated


def test_paths_have_the_variable_where_there_are_several_modules() -> None:
    encoder, decoder = nn.Linear(3, 2), nn.Linear(2, 3)
    traced = trace_call(lambda x: decoder(encoder(x)), (sl.ones(1, 3),), {})
    assert set(paths(traced)) == {
        "x", "encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias",
    }  # fmt: skip


def test_paths_of_nested_modules_and_of_optimiser_state() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            self.layers = [nn.Linear(7, 4), {"last": nn.Linear(4, 3)}]

        def forward(self, x: Any) -> Any:
            return self.layers[1]["last"](self.layers[0](x).tanh())

    model = Network()
    optimizer = optim.Adam(model.parameters())
    step = training_step(model, optimizer)
    x, y = batches(1)[0]
    with pytest.raises(NotYet, match=r"Adam.state\[layers.0.weight\].step"):
        trace_call(step, (x, y), {})
    assert not optimizer.state
    step(x, y)
    traced = trace_call(step, (x, y), {})
    known = paths(traced)
    assert known["layers.1.last.weight"] == "parameter"
    assert known["optimizer.state[layers.0.bias].exp_avg"] == "state"
    assert known["optimizer.state[layers.0.bias].step"] == "number"
    modules = {node.module for node in traced.graph.nodes}
    assert {"layers.0", "layers.1.last"} <= modules


def test_a_trace_changes_nothing() -> None:
    model = nn.Sequential(Norm(), network())
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = training_step(model, optimizer)
    x, y = batches(1)[0]
    step(x, y)
    before = [p.tolist() for p in (*model.parameters(), *model.buffers())]
    grads = [p.grad for p in model.parameters()]
    state = sl.Generator.state(sl.random.default_generator)
    trace(step, x, y)
    assert before == [p.tolist() for p in (*model.parameters(), *model.buffers())]
    assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert type(optimizer.param_groups[0]["momentum"]) is float
    assert sl.random.default_generator.state() == state
    assert not x.requires_grad


def test_an_error_of_the_function_passes_through_and_all_is_restored() -> None:
    weight = sl.ones(2).requires_grad_()
    optimizer = optim.SGD([weight], lr=0.5)

    def fn(x: Any) -> None:
        with sl.no_grad():
            weight.add_(x)
        (weight * 2).sum().backward()
        optimizer.step()
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        trace_call(fn, (sl.ones(2),), {})
    assert weight.tolist() == [1.0, 1.0]
    assert weight.grad is None
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert (weight + 1).tolist() == [2.0, 2.0]
    assert sl.is_grad_enabled()


# ---- parameters ----


def test_shared_parameters_are_one_input() -> None:
    def build() -> Any:
        first, second = nn.Linear(4, 4), nn.Linear(4, 4)
        second.weight = first.weight
        model = nn.Sequential(first, nn.Tanh(), second)
        optimizer = optim.Adam(model.parameters())

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return step, (model, optimizer)

    generator = sl.Generator().manual_seed(2)
    (traced,) = agree(build, [(sl.randn(3, 4, generator=generator),) for _ in range(3)])
    assert sum(given.kind == "parameter" for given in traced.graph.inputs) == 3


def test_freezing_needs_a_new_trace() -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        return training_step(model, optimizer), (model, optimizer)

    def between(state: Any, index: int) -> None:
        state[0][0].weight.requires_grad_(index < 2)

    assert len(agree(build, batches(), between)) == 2


def test_exchanged_memory_is_found_at_the_next_call() -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        return training_step(model, optimizer), (model, optimizer)

    def between(state: Any, index: int) -> None:
        weight = state[0][0].weight
        weight.data = weight.data * 0.5

    assert len(agree(build, batches(), between)) == 1


def test_a_new_module_in_the_place_of_an_old_one_needs_a_new_trace() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    traced = trace_call(lambda x: model(x), (sl.ones(1, 3),), {})
    assert holds(traced)
    model[1] = nn.ReLU()
    assert not holds(traced)


def test_data_that_is_set_inside() -> None:
    weight = sl.ones(3).requires_grad_()

    def fn(x: Any) -> None:
        weight.data = weight.data * 2 + x

    traced = trace_call(fn, (sl.ones(3),), {})
    assert weight.tolist() == [1.0] * 3
    run(traced, (sl.ones(3),))
    assert weight.tolist() == [3.0] * 3


CHANGES = {
    "loaded": lambda model, optimizer: optimizer.load_state_dict(
        copy.deepcopy(optimizer.state_dict())
    ),
    "forgotten": lambda model, optimizer: optimizer.state.clear(),
    "exchanged": lambda model, optimizer: optimizer.state[model[0].weight].update(
        exp_avg=sl.ones(5, 7)
    ),
    "hooked": lambda model, optimizer: model[0].weight.register_hook(lambda g: g * 2),
    "hooked module": lambda model, optimizer: model[1].register_forward_hook(
        lambda module, args, output: output * 2
    ),
    "nothing recorded": lambda model, optimizer: model[0].requires_grad_(False),
    "doubled": lambda model, optimizer: model[0].weight.data.mul_(2.0),
    "weights loaded": lambda model, optimizer: model.load_state_dict(
        {name: value * 0.5 for name, value in model.state_dict().items()}
    ),
    "a new group": lambda model, optimizer: optimizer.add_param_group(
        {"params": [sl.ones(2).requires_grad_()], "lr": 0.5}
    ),
    "options": lambda model, optimizer: optimizer.param_groups[0].update(
        weight_decay=0.1, amsgrad=False, eps=1e-3
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_between_the_calls_are_found(name: str) -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        return training_step(model, optimizer), (model, optimizer)

    def between(state: Any, index: int) -> None:
        if index == 3:
            CHANGES[name](*state)

    agree(build, batches(6), between)


# ---- numbers and guards ----


def test_float_arguments_are_numbers() -> None:
    def fn(x: Any, scale: float, pair: Any = (1.0, 2)) -> Any:
        return x * scale + pair[0] ** 2, scale * 3 - 1, (x.long() * scale).dtype == sl.float32

    traced = trace_call(fn, (sl.ones(2), 0.5), {"pair": (2.0, 5)})
    verify(traced.graph)
    found = run(traced, (sl.ones(2), 0.25), {"pair": (3.0, 5)})
    same((sl.tensor([9.25, 9.25]), -0.25, True), found)


@pytest.mark.parametrize("dtype", [sl.float16, sl.float32, sl.float64, sl.int64])
def test_numbers_do_not_decide_dtypes(dtype: Any) -> None:
    weight = sl.ones(3, dtype=dtype)
    holder = {"rate": 0.3}

    class Scale(optim.Optimizer):
        def update(self, parameter: Any, gradient: Any, state: Any, group: Any) -> None:
            raise NotImplementedError

    optimizer = Scale([sl.ones(1)], {"rate": 0.3})
    holder = optimizer.param_groups[0]

    def fn() -> Any:
        rate = holder["rate"]
        return (
            weight * rate,
            rate - weight,
            weight / rate,
            weight**rate,
            sl.where(weight > 0, rate, weight),
        )

    def listened() -> Any:
        optimizer.zero_grad()
        return fn()

    traced = trace_call(listened, (), {})
    verify(traced.graph)
    same(fn(), run(traced, ()), 1e-7)


def test_plain_values_around_are_guarded() -> None:
    settings = {"scale": 2.0, "mode": "a"}
    flag = True

    def fn(x: Any) -> Any:
        y = x * settings["scale"]
        return y if flag and settings["mode"] == "a" else -y

    x = sl.ones(1)
    cache: list[Any] = []
    same(fn(x), traced_or_run(fn, (x,), cache))
    settings["scale"] = 3.0
    same(fn(x), traced_or_run(fn, (x,), cache))
    settings["mode"] = "b"
    same(fn(x), traced_or_run(fn, (x,), cache))
    flag = False
    same(fn(x), traced_or_run(fn, (x,), cache))
    settings["scale"], settings["mode"], flag = 2.0, "a", True
    same(fn(x), traced_or_run(fn, (x,), cache))
    assert len(cache) == 4


def test_generators_are_drawn_from_in_order() -> None:
    own = sl.Generator().manual_seed(5)

    def build() -> Any:
        own.manual_seed(5)

        def fn(x: Any) -> Any:
            noise = sl.randn(3, generator=own)
            x = F.dropout(x, 0.5) + sl.rand_like(x)
            x.uniform_(0, 2, generator=own)
            return x + noise, sl.empty(2).normal_()

        return fn, ()

    (traced,) = agree(build, [(sl.ones(3),)] * 3)
    assert traced.graph.generators == 2
