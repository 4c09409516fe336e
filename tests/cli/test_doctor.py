"""`streetlight doctor`: tells what is there, and the command for what is not; never fails."""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streetlight.cli import doctor as clinic
from streetlight.datasets import registry


def found(findings) -> dict[str, clinic.Finding]:
    return {finding.name: finding for finding in findings}


def test_the_whole_report(capsys):
    clinic.doctor()
    out = capsys.readouterr().out
    for heading in ("This machine", "Compilers", "GPU", "Packages", "Data sets"):
        assert f"{heading}" in out
    lines = [line for line in out.splitlines() if line.startswith("  ")]
    assert all(line.startswith(("  ok  ", "  --  ")) for line in lines)
    for line in lines:
        helped = "to get it: " in line or "to mend it: " in line
        assert helped == line.startswith("  --  "), line


def test_the_machine_is_described():
    machine = found(clinic.machine())
    assert machine["Python"].found.startswith(".".join(map(str, sys.version_info[:3])))
    assert machine["NumPy"].found == np.__version__
    assert str(Path(clinic.__file__).parents[1]) in machine["Streetlight"].found
    assert f"of {os.cpu_count()}" in machine["cores"].found
    assert "thread" in machine["BLAS"].found.lower()


def test_blas_threads_follow_the_environment():
    code = "from streetlight.cli.doctor import machine\nprint([f.found for f in machine()][3])"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "OPENBLAS_NUM_THREADS=1" in done.stdout
    assert "2 threads" not in done.stdout


def test_a_compiler_on_the_path_is_named_with_its_version(tmp_path, monkeypatch):
    tool = tmp_path / "clang"
    tool.write_text("#!/bin/sh\necho 'clang version 99.1'\necho more\n")
    tool.chmod(0o755)
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    compilers = found(clinic.compilers())
    assert compilers["clang"].found == f"clang version 99.1, {tool}"
    assert compilers["cc"] == clinic.Finding("cc", "", "sudo apt install gcc")
    assert compilers["gcc"] == clinic.Finding("gcc", "", "sudo apt install gcc")


def test_what_compiled_steps_are_made_with_is_named(tmp_path, monkeypatch):
    compiler = tmp_path / "cc"
    compiler.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo 'mycc 1' && exit\n"
        "while [ $1 != -o ]; do shift; done; echo > $2\n"
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("STREETLIGHT_CACHE", str(tmp_path))
    monkeypatch.setenv("STREETLIGHT_BLAS", "none")
    monkeypatch.setenv("STREETLIGHT_NUM_THREADS", "1")
    steps = clinic.compiled_steps()
    assert steps.found == f"by {compiler}, with portable loops, threads: 1"
    monkeypatch.setenv("STREETLIGHT_BLAS", "atlas")
    wrong = "the BLAS of STREETLIGHT_BLAS=atlas is not here or cannot be loaded"
    assert clinic.compiled_steps().wrong == wrong


def test_where_no_compiler_works_the_command_to_get_one_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ziglang", None)
    assert clinic.line(clinic.compiled_steps()) == (
        "  --  compiled steps    no C compiler here works; "
        'to mend it: python -m pip install "streetlight[compile]"'
    )


@pytest.mark.parametrize(
    ("system", "fix"),
    [
        ("linux", "sudo apt install clang"),
        ("darwin", "xcode-select --install"),
        ("win32", "python -m pip install ziglang"),
    ],
)
def test_a_missing_compiler_comes_with_the_command_of_the_system(monkeypatch, system, fix):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "platform", system)
    assert found(clinic.compilers())["clang"].fix == fix


def test_a_gpu_is_named(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB, 570.1'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found(clinic.gpus())["NVIDIA GPU"].found == "NVIDIA H200, 143771 MiB, 570.1"


def test_packages_come_with_their_commands(monkeypatch):
    versions = {"typer": "1.2"}

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    required = ["numpy>=2.0", "typer>=0.12", "rich>=13", "cupy-cuda12x; extra == 'cuda'",
                'ruff>=0.6; extra == "test"']  # fmt: skip
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: required)
    monkeypatch.setattr(importlib.metadata, "version", version)
    packages = found(clinic.packages())
    assert set(packages) == {"typer", "rich", "ruff", "torch"}
    assert packages["typer"] == clinic.Finding("typer", "1.2")
    assert packages["rich"].fix == "python -m pip install rich"
    assert packages["ruff"].fix == 'python -m pip install "streetlight[test]"'
    assert packages["torch"].fix.startswith("python -m pip install torch==2.13.0 ")
    assert found(clinic.gpus())["CuPy"].fix == "python -m pip install cupy-cuda12x"


def test_streetlight_that_is_not_installed_is_said(monkeypatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", missing)
    assert found(clinic.packages())["streetlight"].fix == "python -m pip install -e . in its folder"


def test_data_sets_that_are_here_and_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("STREETLIGHT_CACHE", str(tmp_path))
    monkeypatch.delenv("STREETLIGHT_DATA", raising=False)
    sets = found(clinic.data_sets())
    assert sets["digits"] == clinic.Finding("digits", "comes with the package")
    assert sets["mnist"] == clinic.Finding("mnist", "", "streetlight data get mnist")


def test_a_wrong_data_folder_is_a_finding_not_a_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("STREETLIGHT_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setenv("STREETLIGHT_CACHE", str(tmp_path))
    findings = found(clinic.data_sets())
    assert findings["mnist"].fix == "streetlight data get mnist"
    assert clinic.line(findings["STREETLIGHT_DATA"]) == (
        f"  --  STREETLIGHT_DATA  names {tmp_path / 'nowhere'}, which is no folder; "
        "to mend it: correct its path, or unset it and have the data downloaded"
    )


def test_damaged_data_are_not_called_ok(tmp_path, monkeypatch):
    monkeypatch.delenv("STREETLIGHT_DATA", raising=False)
    monkeypatch.setenv("STREETLIGHT_CACHE", str(tmp_path))
    content = gzip.compress(b"the right bytes")
    digest = hashlib.sha256(b"the right bytes").hexdigest()
    toy = registry.DatasetInfo(
        "toy", "one file", "public", (registry.RemoteFile("toy.gz", digest, 40),), ("https://x/",)
    )
    monkeypatch.setitem(registry.DATASETS, "toy", toy)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.gz").write_bytes(content)
    assert found(clinic.data_sets())["toy"].found == f"whole, in {tmp_path / 'toy'}"
    (tmp_path / "toy" / "toy.gz").write_bytes(content[:-9])
    assert clinic.line(found(clinic.data_sets())["toy"]) == (
        "  --  toy               damaged or not to be read; to mend it: streetlight data verify toy"
    )
