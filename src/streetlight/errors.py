"""Errors that teach: what happened, what was expected, what was given, and how to fix it.

Every error of Streetlight is one of the classes below. Each has a code, and its docstring is the
page that `streetlight explain CODE` prints.
"""

from __future__ import annotations

from typing import Any, ClassVar


def describe(value: Any) -> str:
    """Say in a few words what a value is: dtype and shape for arrays, its repr, or its type.

    >>> describe([1, 2, 3])
    '[1, 2, 3]'
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype} {tuple(value.shape)}"
    text = repr(value)
    if " object at 0x" in text:  # an address tells nobody anything
        return type(value).__name__
    return text if len(text) <= 80 else text[:77] + "..."


class StreetlightError(Exception):
    """Base class of all errors that Streetlight raises on purpose.

    Args:
        what: what happened and where, in one line.
        expected: what would have been right.
        got: the values concerned, by name; arrays are shown by dtype and shape.
        fix: what to do about it.
    """

    code: ClassVar[str] = "E000"
    registry: ClassVar[dict[str, type[StreetlightError]]] = {}

    def __init__(
        self, what: str, *, expected: str = "", got: dict[str, Any] | None = None, fix: str = ""
    ) -> None:
        rows = {name: describe(value) for name, value in (got or {}).items()}
        rows |= {"expected": expected} if expected else {}
        rows |= {"fix": fix} if fix else {}
        rows["more"] = f"streetlight explain {self.code}"
        width = max(len(name) for name in rows) + 1
        details = "".join(f"\n  {name + ':':<{width}} {text}" for name, text in rows.items())
        self.what = what
        super().__init__(f"[{self.code}] {what}{details}")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        StreetlightError.registry[cls.code] = cls

    def __str__(self) -> str:
        return str(self.args[0])


class ShapeError(StreetlightError, ValueError, RuntimeError):
    """Two shapes do not fit together, or a shape is not one that the operation can take.

    Elementwise operations line shapes up from the right: two sizes fit if they are equal or if one
    of them is 1. A matrix product (n, k) @ (k, m) needs the two inner sizes to agree and gives
    (n, m). A layer such as `Linear(in_features, out_features)` needs inputs whose last size is
    `in_features`.

    Print the shapes just before the failing line (`print(x.shape, w.shape)`), find the first one
    that surprises you, and mend it where it was made: with `reshape`, `unsqueeze`, `.T`, or with
    the size given to the layer.
    """

    code = "E101"


class DTypeError(StreetlightError, TypeError, RuntimeError):
    """A tensor holds the wrong kind of number for what is asked of it.

    Gradients exist for floating-point tensors only; class labels and indices are integers; masks
    are bool. Convert with `x.float()`, `x.long()`, `x.bool()` or `x.to(sl.float32)`.
    """

    code = "E102"


class DeviceError(StreetlightError, RuntimeError):
    """Tensors lie on different devices, or the device asked for is not there.

    All inputs of one operation must lie on one device. Move a tensor with `x.to("cpu")` or
    `x.to("cuda")`, a model with `model.to("cuda")`. `streetlight doctor` tells which devices
    exist here and what is missing.
    """

    code = "E103"


class IndexOutOfRangeError(StreetlightError, IndexError):
    """An index points outside of the dimension it selects from, or the dimension does not exist.

    A dimension of size n takes the indices 0 to n-1, and -n to -1 counted from the end. For class
    labels n is the number of outputs of the network, for embeddings the size of the table.
    """

    code = "E104"


class GradientError(StreetlightError, RuntimeError):
    """A gradient was asked for where none can be.

    `backward()` starts at a tensor that depends on a parameter (`requires_grad=True`), has one
    element or is given a `gradient`, and was computed outside of `no_grad()`. After a walk the
    saved values are freed: a second walk over the same graph needs `retain_graph=True` the first
    time.
    """

    code = "E105"


class InPlaceError(StreetlightError, RuntimeError):
    """A value was changed in place that something else still relies on.

    The backward walk needs values of the forward pass. If one of them was overwritten in between
    (`x += 1`, `x[0] = 2`, `x.mul_(3)`), the gradient would be silently wrong, so the walk stops.
    Write the change as a new tensor (`x = x + 1`), or change a `clone()`.
    """

    code = "E106"


class ArgumentError(StreetlightError, ValueError, RuntimeError):
    """An argument has a value that makes no sense here.

    The message names the argument, the value it had and the values it can take.
    """

    code = "E107"


class NumericalError(StreetlightError, ArithmeticError, RuntimeError):
    """A check of numbers failed: a gradient differs from its numerical estimate, or a value that
    must be finite is NaN or infinite.

    For an operation of your own, compare its backward rule with the formula on paper; for data,
    look for missing values, divisions by zero and logarithms of zero.
    """

    code = "E108"


class ModuleError(StreetlightError, AttributeError, RuntimeError):
    """A module is put together in a way that cannot work.

    Parameters, buffers and modules are found when they are assigned to attributes of a module,
    directly or inside of lists, tuples and dicts. A name that does not exist is answered with the
    nearest one that does.
    """

    code = "E201"


class StateDictError(StreetlightError, KeyError, RuntimeError):
    """Saved weights do not fit the model: names are missing or too many, or shapes differ.

    All wrong names are listed at once. The model must be built with the same sizes as the one that
    was saved. `load_state_dict(state, strict=False)` loads what fits by name and returns the rest.
    """

    code = "E202"


class DataError(StreetlightError, ValueError):
    """The data cannot be used as they are: empty, of unequal lengths, not finite, or mislabelled.

    The message tells which sample, line or column it is. Mend it at the source, or drop it before
    training.
    """

    code = "E301"


class DownloadError(StreetlightError, OSError):
    """A data set could not be fetched from any of its homes.

    The download goes on where it stopped when you run the same command again. With no network at
    all, put the files as their homes publish them into a folder and name it in the environment
    variable STREETLIGHT_DATA.
    """

    code = "E302"


class ChecksumError(StreetlightError, OSError):
    """A file of a data set is not the one that its home publishes.

    Its SHA-256 digest differs, so it is damaged, cut short, or something else altogether. Remove
    the file that the message names, and get it again with `streetlight data get NAME`.
    """

    code = "E303"


class UnknownNameError(StreetlightError, KeyError):
    """There is no data set, error code, metric or run of that name; near matches are offered."""

    code = "E304"


class TableError(StreetlightError, ValueError):
    """A table (CSV file) cannot be read or cannot be learnt from.

    The first line must name the columns, and every line must have as many fields. The message
    tells the line or the column. Empty fields are fine: they are filled in, and it is said how.
    """

    code = "E305"


class ImageError(StreetlightError, ValueError):
    """A picture cannot be read: it is damaged, empty, or not a picture at all.

    PNG and JPEG files of one dark digit on light paper, or a light one on dark, work best.
    """

    code = "E306"


class DivergenceError(StreetlightError, ArithmeticError, RuntimeError):
    """Training ran away: the loss or a gradient is no longer finite.

    Most often the learning rate is too high: try a tenth of it. Otherwise look for NaN in the
    data, clip gradients (`Trainer(clip_norm=1.0)`), or use the losses that take logits, which are
    safe where `log(softmax(x))` is not. The best model so far is kept.
    """

    code = "E401"


class CheckpointError(StreetlightError, RuntimeError):
    """A run cannot go on from this checkpoint: it belongs to another model, or is incomplete.

    Resume with the same command, data and model that began the run.
    """

    code = "E402"


class FileFormatError(StreetlightError, ValueError):
    """A file is not what its name promises: truncated, foreign, or made to do harm.

    Streetlight reads weights from safetensors files only, never from pickles, because a pickle can
    run code. Save them again from where they came, for instance with `safetensors.torch`.
    """

    code = "E403"


class UsageError(StreetlightError, ValueError):
    """A command was used in a way it is not made for; `streetlight COMMAND --help` shows how."""

    code = "E501"


class FileAccessError(StreetlightError, OSError):
    """A file or folder cannot be read or written: it is missing, is a folder where a file belongs,
    is protected, or the disk is full.

    Nothing half-written is left behind: the old file, if there was one, is still whole.
    """

    code = "E502"


class MissingDependencyError(StreetlightError, ImportError):
    """An optional package is needed for this and not installed; the message has the command."""

    code = "E503"


class TraceError(StreetlightError, RuntimeError):
    """A function did something that a graph cannot hold, so it cannot be traced or compiled.

    While a function is traced its tensors have shapes but no numbers: no `if` can ask for them,
    and neither `print`, `.item()` nor NumPy can have them. The message shows the line. Choose with
    `sl.where`, return what is wanted outside, and do the rest before or after the function.
    """

    code = "E601"


class CompileError(StreetlightError, RuntimeError):
    """A compiled step could not be made, or had to stop.

    There is no C compiler, or it failed; a tensor does not lie in the memory of the CPU; or the
    step met a wrong number after it had changed some of its state. The message tells which it was.
    What a step cannot do compiled it still does without `sl.compile`.
    """

    code = "E602"


class GraphError(StreetlightError, ValueError):
    """The text of a graph cannot be read, or a graph breaks a rule that all graphs keep.

    In a graph every value has one name, one type and one maker, which comes before its uses; only
    parameters, buffers, state and numbers are updated. A text is read line by line, as
    `print(graph)` writes it; the message names the line, the column and what was expected there.
    """

    code = "E603"
