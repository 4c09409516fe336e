"""All tasks by name: those that compare pictures (`--loss`) and the pretexts (`--pretext`)."""

from __future__ import annotations

from collections.abc import Mapping

from streetlight.errors import UnknownNameError, UsageError
from streetlight.nn.members import near_match
from streetlight.projects.representation.objectives import Contrastive, NTXent, SupCon, Triplet
from streetlight.projects.representation.pretext import Colour, Inpaint, Jigsaw, Rotation
from streetlight.projects.representation.task import Task

DEFAULT = "ntxent"
LOSSES = {task.name: task for task in (NTXent, Triplet, Contrastive, SupCon)}
PRETEXTS = {task.name: task for task in (Rotation, Jigsaw, Inpaint, Colour)}


def choose_task(loss: str | None, pretext: str | None) -> Task:
    """The task that the options of a command ask for.

    Raises:
        UsageError: a loss and a pretext are both asked for.
        UnknownNameError: there is none of that name; the nearest one is offered.

    >>> choose_task(None, None).name
    'ntxent'
    """
    if loss is not None and pretext is not None:
        raise UsageError(
            f"--loss {loss} and --pretext {pretext} are two different tasks",
            expected="one of them: a pretext brings a loss of its own",
            fix="leave one away",
        )
    if pretext is not None:
        return _find("pretext", pretext, PRETEXTS)
    return _find("loss", loss or DEFAULT, LOSSES)


def find_task(name: str) -> Task:
    """The task of this name, whichever kind it is.

    Raises:
        UnknownNameError: there is none.
    """
    return _find("task", name, {**LOSSES, **PRETEXTS})


def _find(kind: str, name: str, tasks: Mapping[str, type[Task]]) -> Task:
    if name not in tasks:
        raise UnknownNameError(
            f"there is no {kind} {name!r}",
            expected=", ".join(tasks),
            fix=near_match(name, list(tasks)),
        )
    return tasks[name]()
