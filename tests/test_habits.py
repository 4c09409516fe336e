"""The habits of the house, kept by machine: sizes, pages and docstrings, light imports."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from types import ModuleType

import numpy as np
import pytest

import streetlight
from streetlight.errors import StreetlightError

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "streetlight"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ALL_FILES = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]
ALL_FILES += sorted((ROOT / "benchmarks").rglob("*.py"))
ABOVE_FLOOR_4 = {
    "__main__.py",
    "testing",
    "graph",
    "compile",
    "view",
    "interop",
    "train",
    "projects",
    "cli",
}
# What floors 0 to 4 hold for pictures: families of their own, with a ceiling of their own.
SEEING = {
    "augment",
    "datasets/folder.py",
    "functional/convolution.py",
    "functional/pooling.py",
    "functional/representation.py",
    "nn/convolution.py",
    "nn/pooling.py",
    "nn/representation.py",
    "ops/convolution.py",
    "ops/pooling.py",
    "optim/swa_utils.py",
}
# What a user imports.
PUBLIC = [
    "streetlight",
    "streetlight.augment",
    "streetlight.compile",
    "streetlight.datasets",
    "streetlight.functional",
    "streetlight.graph",
    "streetlight.nn",
    "streetlight.nn.init",
    "streetlight.nn.utils",
    "streetlight.optim",
    "streetlight.optim.lr_scheduler",
    "streetlight.optim.swa_utils",
    "streetlight.train",
    "streetlight.utils.data",
]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def length(function: ast.FunctionDef) -> int:
    """Lines of the body, without the docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def python(code: str) -> str:
    """Run code in a fresh Python and return what it prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


# ---- size ----


def test_files_are_short() -> None:
    long = {str(path.relative_to(ROOT)): lines(path) for path in ALL_FILES if lines(path) > 450}
    assert not long


def floors_0_to_4(seeing: bool) -> int:
    """Lines of those floors, of the families for pictures or of all else; no lists of exports."""
    total = 0
    for path in SOURCES:
        place = path.relative_to(PACKAGE)
        below = place.parts[0] not in ABOVE_FLOOR_4 and path.name != "__init__.py"
        if below and (bool({place.parts[0], place.as_posix()} & SEEING) is seeing):
            total += lines(path)
    return total


@pytest.mark.xfail(reason="the floors below training have outgrown their budget of 4,500 lines")
def test_floors_0_to_4_keep_to_their_budget() -> None:
    assert floors_0_to_4(seeing=False) <= 4500


def test_floors_0_to_4_do_not_grow() -> None:
    assert floors_0_to_4(seeing=False) <= 9_180  # to be lowered, never raised
    assert floors_0_to_4(seeing=True) <= 3_500  # the same


def test_functions_are_short() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}: {function.name}": length(function)
        for path in SOURCES
        for function in functions(path)
    }
    assert median(lengths.values()) < 8
    assert {name: count for name, count in lengths.items() if count > 50} == {}


# ---- words ----


def test_every_file_says_what_it_is_for() -> None:
    silent = [
        path for path in ALL_FILES if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert not silent


def test_no_assert_in_the_package() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert not found


def test_every_error_has_a_page_of_its_own() -> None:
    kinds = [
        kind
        for kind in vars(sys.modules["streetlight.errors"]).values()
        if inspect.isclass(kind) and issubclass(kind, StreetlightError)
    ]
    assert len(kinds) > 20
    assert len({kind.code for kind in kinds}) == len(kinds), "two errors share a code"
    for kind in kinds:
        assert "code" in vars(kind), f"{kind.__name__} has no code of its own"
        assert len(vars(kind)["__doc__"].split()) >= 10, f"{kind.__name__} has no page"


def public_names(module: ModuleType) -> list[str]:
    """Those in `__all__`, or without one what the package has defined."""
    names = vars(module).items()
    own = [
        n for n, value in names if str(getattr(value, "__module__", "")).startswith("streetlight")
    ]
    return getattr(module, "__all__", [name for name in own if not name.startswith("_")])


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    values = {public: getattr(module, public) for public in public_names(module)}
    assert values, f"{name} has no public names"
    plain = (np.dtype, int, float, str, tuple, type(None))
    silent = [
        public
        for public, value in values.items()
        if not isinstance(value, plain)
        and not (vars(value) if inspect.isclass(value) else {"__doc__": value.__doc__})["__doc__"]
    ]
    assert not silent


# ---- imports ----

NOT_STANDARD = """
import sys
names = {name.partition(".")[0] for name in sys.modules}
print(*sorted(n for n in names - sys.stdlib_module_names if not n.startswith("_")))
"""


def test_import_loads_numpy_alone() -> None:
    before = python("import numpy.random" + NOT_STANDARD).split()
    after = python("import streetlight" + NOT_STANDARD).split()
    assert sorted({*before, "streetlight"}) == after


def test_the_framework_needs_numpy_alone() -> None:
    """Everything up to training imports where no other package is installed at all."""
    block = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {"numpy", "streetlight"}:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)
sys.meta_path.insert(0, Blocker())
"""
    python(block + "".join(f"import {name}\n" for name in PUBLIC))


def test_every_module_can_be_imported() -> None:
    found = list(pkgutil.walk_packages(streetlight.__path__, "streetlight."))
    assert len(found) > 30
    for module in found:
        importlib.import_module(module.name)
