"""Module: members are found wherever they are kept, and behave as PyTorch's do."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn
from streetlight.errors import DTypeError, InPlaceError, ModuleError


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 2)

    def forward(self, x):
        return self.second(self.first(x).relu())


class Forgetful(nn.Module):
    """Does not call super().__init__()."""

    def __init__(self) -> None:
        self.scale = nn.Parameter(sl.ones(1))
        self.inner = nn.Linear(2, 2)
        self.register_buffer("count", sl.zeros(1))

    def forward(self, x):
        return self.inner(x) * self.scale


class Containers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(1, 1), (nn.Linear(1, 2), nn.Linear(2, 1))]
        self.heads = {"left": nn.Linear(1, 3), "right": [nn.Parameter(sl.zeros(2))]}
        self.words = ["no", "modules", {"in": "here"}]


def names(pairs) -> list[str]:
    return [name for name, _ in pairs]


def test_parameters_are_named_in_pytorchs_order():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), Pair())
    assert names(model.named_parameters()) == [
        "0.weight", "0.bias", "1.weight", "1.bias",
        "2.first.weight", "2.first.bias", "2.second.weight", "2.second.bias",
    ]  # fmt: skip
    assert names(model.named_buffers()) == [
        "1.running_mean", "1.running_var", "1.num_batches_tracked",
    ]  # fmt: skip
    assert names(model.named_modules()) == ["", "0", "1", "2", "2.first", "2.second"]
    assert names(model.named_children()) == ["0", "1", "2"]
    assert [type(child).__name__ for child in model.children()] == ["Linear", "BatchNorm1d", "Pair"]
    assert len(list(model.parameters())) == 8
    assert len(list(model.buffers())) == 3
    assert len(list(model.modules())) == 6


def test_own_parameters_come_before_those_of_children_whatever_the_order_of_assignment():
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(1, 1)
            self.register_buffer("mean", sl.zeros(1))
            self.scale = nn.Parameter(sl.ones(1))

    assert list(Late().state_dict()) == ["scale", "mean", "inner.weight", "inner.bias"]


def test_prefix_and_recurse():
    model = Pair()
    assert names(model.named_parameters(recurse=False)) == []
    assert names(model.first.named_parameters(prefix="p", recurse=False)) == ["p.weight", "p.bias"]
    assert names(model.named_modules(prefix="root")) == ["root", "root.first", "root.second"]
    assert list(nn.BatchNorm1d(2).parameters(recurse=False))


def test_members_of_lists_tuples_and_dicts_are_found():
    model = Containers()
    assert names(model.named_parameters()) == [
        "heads.right.0",
        "layers.0.weight", "layers.0.bias",
        "layers.1.0.weight", "layers.1.0.bias", "layers.1.1.weight", "layers.1.1.bias",
        "heads.left.weight", "heads.left.bias",
    ]  # fmt: skip
    assert names(model.named_children()) == ["layers.0", "layers.1.0", "layers.1.1", "heads.left"]


def test_a_module_appended_to_a_plain_list_later_is_found_trained_and_saved():
    model = nn.Module()
    model.layers = []
    model.layers.append(nn.Dropout(0.5))
    model.layers.append(nn.Linear(2, 1))
    assert list(model.state_dict()) == ["layers.1.weight", "layers.1.bias"]
    model.eval()
    assert not model.layers[0].training
    model.requires_grad_(False)
    assert not model.layers[1].weight.requires_grad


def test_a_plain_list_saves_under_the_names_of_a_module_list():
    plain, listed = nn.Module(), nn.Module()
    plain.layers = [nn.Linear(2, 3), nn.Linear(3, 1)]
    listed.layers = nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 1)])
    assert list(plain.state_dict()) == list(listed.state_dict())
    listed.load_state_dict(plain.state_dict())
    assert listed.layers[1].weight.tolist() == plain.layers[1].weight.tolist()


def test_a_list_that_holds_itself_ends():
    model = nn.Module()
    model.things = [nn.Linear(1, 1)]
    model.things.append(model.things)
    assert names(model.named_parameters()) == ["things.0.weight", "things.0.bias"]


def test_a_module_that_knows_its_parent_ends():
    parent = Pair()
    parent.first.parent = parent
    assert len(list(parent.modules())) == 3
    assert list(parent.state_dict()) == [
        "first.weight", "first.bias", "second.weight", "second.bias",
    ]  # fmt: skip


def test_two_members_of_one_name_are_refused():
    model = nn.Module()
    model.table = {1: nn.Linear(1, 1), "1": nn.Linear(1, 1)}
    with pytest.raises(ModuleError, match=r"two members have the same name 'table\.1'"):
        list(model.parameters())


@pytest.mark.parametrize("kind", [set, frozenset])
def test_sets_of_modules_are_refused(kind):
    model = nn.Module()
    with pytest.raises(ModuleError, match=r"Module\.layers is a set of modules or parameters"):
        model.layers = kind([nn.Linear(1, 1)])
    model.words = kind(["a", "b"])


def test_forgotten_super_init_is_harmless():
    model = Forgetful()
    assert names(model.named_parameters()) == ["scale", "inner.weight", "inner.bias"]
    assert names(model.named_buffers()) == ["count"]
    assert model.training
    assert not model.eval().inner.training
    assert model(sl.ones(3, 2)).shape == (3, 2)


def test_two_modules_do_not_share_hooks_or_buffers():
    one, two = nn.Identity(), nn.Identity()
    one.register_forward_hook(lambda module, args, output: output + 1)
    one.register_buffer("b", sl.zeros(1))
    assert two(sl.zeros(1)).item() == 0
    two.b = sl.zeros(1)
    assert list(two.buffers()) == []


def test_shared_parameters_and_modules_are_counted_once_and_saved_under_both_names():
    model = Pair()
    model.second = model.first
    assert names(model.named_parameters()) == ["first.weight", "first.bias"]
    assert names(model.named_modules()) == ["", "first"]
    assert names(model.named_children()) == ["first"]
    both = ["first.weight", "first.bias", "second.weight", "second.bias"]
    assert names(model.named_parameters(remove_duplicate=False)) == both
    assert list(model.state_dict()) == both

    tied = Pair()
    tied.second.weight = tied.first.weight
    assert names(tied.named_parameters()) == ["first.weight", "first.bias", "second.bias"]


def test_shared_parameters_get_both_gradients():
    shared = nn.Linear(2, 2, bias=False)
    shared.load_state_dict({"weight": np.eye(2)})
    model = nn.Sequential(shared, shared)
    model(sl.ones(1, 2)).sum().backward()
    assert shared.weight.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_train_and_eval_reach_all_modules_and_return_the_module():
    model = nn.Sequential(Pair(), nn.ModuleList([nn.Dropout()]))
    assert model.eval() is model
    assert [module.training for module in model.modules()] == [False] * 6
    assert model.train() is model
    assert [module.training for module in model.modules()] == [True] * 6
    assert not model.train(False).training


def test_apply_goes_to_children_first():
    visited = []
    model = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()))
    assert model.apply(lambda module: visited.append(type(module).__name__)) is model
    assert visited == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_requires_grad_freezes():
    model = Pair()
    assert model.requires_grad_(False) is model
    assert not model(sl.ones(1, 3)).requires_grad
    model.second.requires_grad_(True)
    model(sl.ones(1, 3)).sum().backward()
    assert model.first.weight.grad is None
    assert model.second.weight.grad is not None


def test_zero_grad():
    model = Pair()
    model(sl.ones(1, 3)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert not model.first.weight.grad.any()
    model.zero_grad()
    assert model.first.weight.grad is None
    model.zero_grad(set_to_none=False)
    assert model.first.weight.grad is None


# Attributes


def test_a_parameter_is_not_lost_to_a_plain_tensor_or_a_number():
    layer = nn.Linear(2, 2)
    with pytest.raises(ModuleError, match=r"Linear\.weight is a parameter and would be lost"):
        layer.weight = sl.zeros(2, 2)
    with pytest.raises(ModuleError, match=r"expected: +a Parameter, a Module or None"):
        layer.weight = 3
    with pytest.raises(ModuleError, match=r"Pair\.first is a module and would be lost"):
        Pair().first = "linear"


def test_parameters_are_replaced_by_parameters_modules_and_none():
    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(sl.zeros(2, 2))
    layer.bias = None
    assert names(layer.named_parameters()) == ["weight"]
    assert layer(sl.ones(1, 2)).tolist() == [[0.0, 0.0]]
    layer.bias = nn.Parameter(sl.ones(2))
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_a_deleted_parameter_is_gone():
    layer = nn.Linear(2, 2)
    del layer.bias
    assert names(layer.named_parameters()) == ["weight"]
    with pytest.raises(ModuleError, match="Linear has no attribute 'bias'"):
        _ = layer.bias
    with pytest.raises(ModuleError, match="Linear has no attribute 'bias'"):
        del layer.bias
    layer.bias = "anything"


def test_buffers_keep_their_name_when_replaced_and_lose_it_when_deleted():
    model = nn.Module()
    model.register_buffer("mean", sl.zeros(2))
    model.mean = sl.ones(2)
    assert model.state_dict()["mean"].tolist() == [1.0, 1.0]
    model.mean = None
    assert list(model.state_dict()) == []
    model.mean = sl.ones(1)
    assert list(model.state_dict()) == ["mean"]
    del model.mean
    model.mean = sl.ones(1)
    assert list(model.state_dict()) == []


def test_buffers_that_are_not_persistent_are_not_saved():
    model = nn.Module()
    model.register_buffer("kept", sl.zeros(1))
    model.register_buffer("scratch", sl.zeros(1), persistent=False)
    model.typed = nn.Buffer(sl.zeros(1))
    model.typed_scratch = nn.Buffer(sl.zeros(1), persistent=False)
    model.listed = [nn.Buffer(sl.zeros(1)), nn.Buffer(sl.zeros(1), persistent=False)]
    assert names(model.named_buffers()) == [
        "kept", "scratch", "typed", "typed_scratch", "listed.0", "listed.1",
    ]  # fmt: skip
    assert list(model.state_dict()) == ["kept", "typed", "listed.0"]
    assert list(model.parameters()) == []


def test_plain_tensors_are_neither_parameters_nor_buffers():
    model = nn.Module()
    model.constant = sl.ones(2)
    model.free = sl.ones(2, requires_grad=True)
    assert list(model.state_dict()) == []


def test_register_functions_add_members():
    model = nn.Module()
    model.register_parameter("weight", nn.Parameter(sl.ones(1)))
    model.register_parameter("bias", None)
    model.add_module("inner", nn.Linear(1, 1))
    model.add_module("none", None)
    assert list(model.state_dict()) == ["weight", "inner.weight", "inner.bias"]
    assert model.bias is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "a name that is text, not empty, without dots"),
        ("a.b", "a name that is text, not empty, without dots"),
        (3, "a name that is text, not empty, without dots"),
        ("forward", "it already has an attribute of that name"),
        ("training", "it already has an attribute of that name"),
        ("weight", "it already has an attribute of that name"),
    ],
)
def test_register_refuses_bad_names(name, words):
    layer = nn.Linear(1, 1)
    with pytest.raises(ModuleError, match=words):
        layer.register_buffer(name, sl.zeros(1))


def test_register_refuses_the_wrong_kind():
    model = nn.Module()
    with pytest.raises(ModuleError, match="a Parameter or None"):
        model.register_parameter("weight", sl.zeros(1))
    with pytest.raises(ModuleError, match="a Tensor or None"):
        model.register_buffer("mean", [0.0])
    with pytest.raises(ModuleError, match="a Module or None"):
        model.add_module("inner", nn.Linear)


def test_an_unknown_attribute_is_answered_with_the_nearest():
    with pytest.raises(ModuleError, match=r"Linear has no attribute 'wieght'(.|\n)*'weight'"):
        _ = nn.Linear(1, 1).wieght
    assert not hasattr(nn.Linear(1, 1), "kernel")
    assert getattr(nn.Linear(1, 1), "kernel", 5) == 5


def test_the_error_inside_of_a_property_comes_through():
    class Broken(nn.Module):
        @property
        def size(self):
            return self.inner.size

    with pytest.raises(AttributeError, match="Broken has no attribute 'inner'"):
        _ = Broken().size


def test_a_parameter_shares_memory_and_notices_changes_from_outside():
    values = sl.tensor([1.0, 2.0])
    weight = nn.Parameter(values)
    loss = (weight * weight).sum()
    values.mul_(3.0)
    assert weight.tolist() == [3.0, 6.0]
    with pytest.raises(InPlaceError, match="changed in place"):
        loss.backward()


# Copies and conversions


def test_deepcopy_is_independent_and_keeps_sharing():
    model = Pair()
    model.alias = model.first
    model.register_buffer("count", sl.zeros(1), persistent=False)
    model.eval()
    twin = copy.deepcopy(model)
    assert isinstance(twin.first.weight, nn.Parameter)
    assert twin.alias is twin.first
    assert not twin.first.training
    assert names(twin.named_buffers()) == ["count"]
    with sl.no_grad():
        twin.first.weight.fill_(7.0)
    assert 7.0 not in model.first.weight.detach().numpy()
    assert list(twin.state_dict()) == list(model.state_dict())


def test_to_changes_floating_tensors_in_place():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    weight = model[0].weight
    model(sl.ones(3, 2)).sum().backward()
    assert model.double() is model
    assert model[0].weight is weight
    assert weight.dtype == weight.grad.dtype == sl.float64
    assert model[1].running_mean.dtype == sl.float64
    assert model[1].num_batches_tracked.dtype == sl.int64
    assert model(sl.ones(3, 2, dtype=sl.float64)).dtype == sl.float64
    assert model.float()[0].weight.dtype == sl.float32
    assert model.to("cpu", sl.float16)[0].weight.dtype == sl.float16
    assert model.to(dtype=sl.float32)[0].weight.dtype == sl.float32
    assert weight.is_leaf
    assert weight.requires_grad


def test_to_keeps_sharing_and_optimisers_still_find_their_parameters():
    model = Pair()
    model.second.bias = model.first.bias
    held = list(model.parameters())
    model.double()
    assert model.second.bias is model.first.bias
    assert all(one is two for one, two in zip(held, model.parameters(), strict=True))


def test_to_refuses_integers_before_changing_anything():
    model = Pair()
    with pytest.raises(DTypeError, match=r"Pair\.to: parameters cannot be int64"):
        model.to(sl.int64)
    assert model.first.weight.dtype == sl.float32
