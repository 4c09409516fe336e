"""Every schedule against PyTorch over its whole life, alone and chained; resuming; wrong use."""

import json
import math

import numpy as np
import pytest

import streetlight as sl
from streetlight import optim
from streetlight.errors import ArgumentError, StateDictError


def optimizer_of(library, name="SGD", **options):
    """An optimiser with two groups of different learning rates."""
    groups = [{"params": [library.zeros(1)]}, {"params": [library.zeros(2)], "lr": 0.02}]
    return getattr(library.optim, name)(groups, lr=0.5, **options)


SCHEDULES = [
    ("LambdaLR", {"lr_lambda": lambda t: 0.9**t}),
    ("LambdaLR", {"lr_lambda": [lambda t: 1 / (t + 1), lambda t: 1 + t]}),
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.7}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 11], "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [9, 0, 4]}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 10}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 1, "eta_min": 0.1}),
]
ONE_CYCLES = [
    ({"max_lr": 1.0, "total_steps": 40}, "SGD"),
    ({"max_lr": [1.0, 0.1], "epochs": 4, "steps_per_epoch": 10, "pct_start": 0.25}, "SGD"),
    ({"max_lr": 1.0, "total_steps": 40, "anneal_strategy": "linear"}, "RMSprop"),
    ({"max_lr": 1.0, "total_steps": 40, "three_phase": True, "div_factor": 5}, "Adam"),
    ({"max_lr": 1.0, "total_steps": 37, "final_div_factor": 10, "pct_start": 0.01}, "AdamW"),
    ({"max_lr": 1.0, "total_steps": 40, "base_momentum": 0.5, "max_momentum": [0.9, 0.8]}, "Adam"),
    ({"max_lr": 1.0, "total_steps": 40, "cycle_momentum": False}, "SGD"),
]


def life(optimizer, schedulers, steps):
    """Step all schedules; list learning rates and momenta of all groups, and what is reported."""
    rows = []
    for _ in range(steps):
        groups = optimizer.param_groups
        rows.append([group["lr"] for group in groups])
        rows[-1] += [group.get("momentum", 0.0) for group in groups]
        rows[-1] += [group.get("betas", (0.0,))[0] for group in groups]
        rows[-1] += schedulers[-1].get_last_lr()
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return rows


def lives(schedules, steps, name="SGD", **options):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    for library in (sl, torch):
        optimizer = optimizer_of(library, name, **options)
        made = [
            getattr(library.optim.lr_scheduler, kind)(optimizer, **arguments)
            for kind, arguments in schedules
        ]
        yield life(optimizer, made, steps)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_goes_as_in_pytorch(schedule):
    ours, theirs = lives([schedule], 45)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("first", SCHEDULES[2:])
@pytest.mark.parametrize("second", SCHEDULES[2:])
def test_chained_schedules_go_as_in_pytorch(first, second):
    ours, theirs = lives([first, second], 25)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("arguments", "name"), ONE_CYCLES)
def test_one_cycle_goes_as_in_pytorch(arguments, name):
    steps = arguments.get("total_steps", 40)
    ours, theirs = lives([("OneCycleLR", arguments)], steps, name)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)


def test_a_cosine_ends_at_its_minimum():
    optimizer = optimizer_of(sl)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6, eta_min=0.25)
    rates = [row[0] for row in life(optimizer, [scheduler], 7)]
    wanted = [0.25 + 0.125 * (1 + math.cos(math.pi * t / 6)) for t in range(7)]
    np.testing.assert_allclose(rates, wanted, rtol=1e-12)


METRICS = [
    [1.0, 0.9, 0.9, 0.9, 0.95, 0.9, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.19999, 0.5, 0.5, 0.5, 0.5],
    [-1.0, -2.0, -2.0, -1.9, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.5, -2.6],
    [1.0, float("nan"), 0.5, float("nan"), float("nan"), float("nan"), 0.1, 0.1, 0.1, 0.1],
]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 0, "cooldown": 2, "factor": 0.5},
        {"patience": 1, "threshold": 0.3, "min_lr": 0.01},
        {"patience": 0, "threshold": 0, "min_lr": [0.2, 0.001], "factor": 0.5, "eps": 1e-3},
    ],
)
def test_a_plateau_is_judged_as_in_pytorch(mode, threshold_mode, options):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    for metrics in METRICS:
        lists = []
        for library in (sl, torch):
            scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer_of(library), mode=mode, threshold_mode=threshold_mode, **options
            )
            rates = []
            for metric in metrics:
                scheduler.step(metric)
                rates.append(scheduler.get_last_lr())
            lists.append(rates)
        np.testing.assert_allclose(*lists, rtol=1e-12)


def test_a_metric_may_be_a_tensor():
    optimizer = optimizer_of(sl)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    scheduler.step(sl.tensor(2.0))
    scheduler.step(sl.tensor(3.0))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [*SCHEDULES, *[("OneCycleLR", arguments) for arguments, name in ONE_CYCLES if name == "SGD"]],
)
def test_a_resumed_schedule_is_the_uninterrupted_one(kind, arguments):
    make = getattr(optim.lr_scheduler, kind)
    optimizer = optimizer_of(sl)
    wanted = life(optimizer, [make(optimizer, **arguments)], 30)

    optimizer = optimizer_of(sl)
    scheduler = make(optimizer, **arguments)
    life(optimizer, [scheduler], 13)
    states = json.loads(json.dumps([scheduler.state_dict(), optimizer.state_dict()]))
    optimizer = optimizer_of(sl)
    scheduler = make(optimizer, **arguments)
    scheduler.load_state_dict(states[0])
    optimizer.load_state_dict(states[1])
    assert life(optimizer, [scheduler], 17) == wanted[13:]


def test_a_resumed_plateau_is_the_uninterrupted_one():
    def rates(scheduler, metrics):
        found = []
        for metric in metrics:
            scheduler.step(metric)
            found.append(scheduler.get_last_lr())
        return found

    make, metrics = optim.lr_scheduler.ReduceLROnPlateau, METRICS[0]
    optimizer = optimizer_of(sl)
    wanted = rates(make(optimizer, patience=1, cooldown=2), metrics)
    for moment in range(len(metrics)):
        optimizer = optimizer_of(sl)
        scheduler = make(optimizer, patience=1, cooldown=2)
        rates(scheduler, metrics[:moment])
        states = json.loads(json.dumps([scheduler.state_dict(), optimizer.state_dict()]))
        optimizer = optimizer_of(sl)
        scheduler = make(optimizer)
        optimizer.load_state_dict(states[1])
        scheduler.load_state_dict(states[0])
        assert rates(scheduler, metrics[moment:]) == wanted[moment:]


@pytest.mark.parametrize("schedule", [*SCHEDULES, ("OneCycleLR", ONE_CYCLES[0][0])])
def test_last_epoch_goes_on_as_in_pytorch(schedule):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    kind, arguments = schedule
    rows = []
    for library in (sl, torch):
        make = getattr(library.optim.lr_scheduler, kind)
        optimizer = optimizer_of(library)
        life(optimizer, [make(optimizer, **arguments)], 8)
        resumed = make(optimizer, **arguments, last_epoch=7)
        rows.append(life(optimizer, [resumed], 20))
    np.testing.assert_allclose(*rows, rtol=1e-9, atol=1e-15)


def test_a_group_added_later_follows_a_schedule_of_factors():
    optimizer = optimizer_of(sl)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1)
    optimizer.add_param_group({"params": [sl.zeros(1)], "lr": 0.3})
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.05, 0.002, 0.03])


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("LambdaLR", {"lr_lambda": float}), ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9})],
)
def test_a_group_added_later_is_refused_where_it_must_be_known(kind, arguments):
    optimizer = optimizer_of(sl)
    scheduler = getattr(optim.lr_scheduler, kind)(optimizer, **arguments)
    optimizer.add_param_group({"params": [sl.zeros(1)]})
    optimizer.step()
    with pytest.raises(ArgumentError, match=r"(?s)number of groups cannot be.*2 as before"):
        scheduler.step()


def test_one_cycle_ends():
    optimizer = optimizer_of(sl)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=3)
    life(optimizer, [scheduler], 3)
    with pytest.raises(ArgumentError, match=r"(?s)OneCycleLR: step cannot be.*at most 3"):
        scheduler.step()


def test_one_cycle_of_a_single_step_is_not_divided_by_zero():
    optimizer = optimizer_of(sl)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=1, pct_start=1.0)
    assert scheduler.get_last_lr() == [1.0, 1.0]


WRONG = [
    ("StepLR", {"step_size": 0}, "StepLR: step_size cannot be"),
    ("CosineAnnealingLR", {"T_max": 0}, "T_max cannot be"),
    ("LambdaLR", {"lr_lambda": [abs]}, "one value, or 2, one for each group"),
    ("OneCycleLR", {"max_lr": 1.0}, "total_steps"),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 3}, "or give epochs and steps_per_epoch"),
    ("OneCycleLR", {"max_lr": [1.0], "total_steps": 9}, "max_lr cannot be"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "max_momentum": [1]}, "max_momentum cannot"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "anneal_strategy": "sin"}, "'linear'"),
    ("ReduceLROnPlateau", {"mode": "best"}, "'min', 'max'"),
    ("ReduceLROnPlateau", {"threshold_mode": "both"}, "'rel', 'abs'"),
    ("ReduceLROnPlateau", {"factor": 1.0}, "a number below 1"),
    ("ReduceLROnPlateau", {"min_lr": [0.1]}, "min_lr cannot be"),
]


@pytest.mark.parametrize(("kind", "arguments", "words"), WRONG)
def test_wrong_arguments_are_named(kind, arguments, words):
    with pytest.raises(ArgumentError, match=words):
        getattr(optim.lr_scheduler, kind)(optimizer_of(sl), **arguments)


def test_one_cycle_moves_no_momentum_where_there_is_none():
    optimizer = optimizer_of(sl, "Adagrad")
    optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=9)
    assert "momentum" not in optimizer.param_groups[0]


def test_going_on_needs_a_beginning():
    with pytest.raises(ArgumentError, match=r"(?s)last_epoch cannot be.*the optimizer's state"):
        optim.lr_scheduler.ExponentialLR(optimizer_of(sl), gamma=0.9, last_epoch=4)


def test_the_state_of_another_schedule_is_refused():
    state = optim.lr_scheduler.ExponentialLR(optimizer_of(sl), gamma=0.9).state_dict()
    scheduler = optim.lr_scheduler.StepLR(optimizer_of(sl), step_size=3)
    with pytest.raises(StateDictError, match="not made by StepLR"):
        scheduler.load_state_dict(state)


def test_a_schedule_of_ones_own_needs_a_formula():
    with pytest.raises(NotImplementedError):
        optim.lr_scheduler.LRScheduler(optimizer_of(sl)).step()
