"""A new converter and a new pass: one new file each in a copy of the source, and nothing else is changed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters.onnx.converters import find_converter, list_flavors
from slipway.adapters.onnx.optimizer import OnnxOptimizer
from slipway.adapters.onnx.passes import find_pass, list_passes
from slipway.domain.optimize.conversion import Converted
from slipway.domain.spec.release import OptimizationSpec
from slipway.errors import SpecError
from tests.models import write_model

ROOT = Path(__file__).parents[3]
FILES = Path(__file__).parent / "registered"
"""The new files: `linear.py`, a converter, and `basic.py`, a pass."""

CONVERT = """
import sys
from pathlib import Path
from slipway.adapters.onnx.optimizer import OnnxOptimizer
from slipway.domain.release.version import Column, Signature
from slipway.domain.spec.release import ConversionSpec
folder = Path(sys.argv[1])
signature = Signature(inputs=(Column(name="a", kind="float64"), Column(name="b", kind="float64")), outputs=())
done = OnnxOptimizer().convert(folder / "model", signature, folder / "rows.csv", ConversionSpec(), folder / "out")
print(done.parity.outcome, "|", done.parity.reason)
"""

OPTIMIZE = """
import sys
from dataclasses import replace
from pathlib import Path
from slipway.adapters.onnx.optimizer import OnnxOptimizer
from slipway.domain.optimize.conversion import Converted
from slipway.domain.spec.release import OptimizationSpec
from slipway.domain.verdict import Outcome, Verdict
from slipway.specs import check_spec, format_schema
folder = Path(sys.argv[1])
parity = Verdict(check="parity", outcome=Outcome.PASS, reason="")
plain = Converted(path=folder / "model.onnx", digest="", parity=parity, inputs=("input",), outputs=("prediction",),
                  single_matrix=True, rows_independent=True)
spec, problems = check_spec(folder / "spec.yaml")
assert spec is not None, problems
table = OnnxOptimizer().optimize(plain, Path(sys.argv[2]), spec.optimization, folder / "out").table
built = table[1]
print([row.name for row in table], built.parity.outcome, built.median_microseconds > 0, '"basic"' in format_schema())
"""


def run_with(new: Path, place: str, folder: Path, code: str, *arguments: str) -> str:
    """Run code with a copy of Slipway that has one more file; return what it prints."""
    shutil.copytree(ROOT / "src" / "slipway", folder / "src" / "slipway", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(new, folder / "src" / "slipway" / "adapters" / "onnx" / place / new.name)
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-c", code, str(folder), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_converter_is_one_file(tmp_path: Path) -> None:
    """A flavor without a converter so far: the file is found by its name, and a real model is converted in a worker."""
    write_model(tmp_path / "model", flavors={"linear": {}, "python_function": {"loader_module": "linear"}})
    (tmp_path / "model" / "weights.json").write_text(json.dumps([2.0, -1.0]))
    (tmp_path / "rows.csv").write_text("a,b,y\n1,0,2\n0,1,-1\n3,4,2\n")

    said = run_with(FILES / "linear.py", "converters", tmp_path, CONVERT)

    assert said.startswith("PASS | 3 of 3 ")
    assert (tmp_path / "out" / "model.onnx").is_file()


def test_a_pass_is_one_file(tmp_path: Path, converted: Converted, digits_rows: Path) -> None:
    """A name that specs did not know: a spec file may name it, the schema lists it, and it is built and timed."""
    shutil.copyfile(converted.path, tmp_path / "model.onnx")
    text = f"model: digits\ndata: {{path: {digits_rows}, label: digit}}\n"
    (tmp_path / "spec.yaml").write_text(
        f"{text}rollout: {{steps: [{{weight_percent: 10, duration_seconds: 1}}]}}\n"
        "optimization: {variants: [basic], rounds: 5}\n"
    )

    said = run_with(FILES / "basic.py", "passes", tmp_path, OPTIMIZE, str(digits_rows))

    assert said == "['plain', 'basic'] PASS True True"
    assert (tmp_path / "out" / "basic.onnx").is_file()


def test_what_is_registered_can_be_imported() -> None:
    """Every file of both packages defines what its package promises."""
    assert [find_converter(flavor).expected for flavor in list_flavors()]
    assert [find_pass(name).limits for name in list_passes()]


@pytest.mark.parametrize(("name", "do"), [("grahp", "write `graph`"), ("../graph", "write `graph`"), ("x", "correct")])
def test_a_pass_that_is_not_there_is_refused_with_those_that_are(
    converted: Converted, digits_rows: Path, tmp_path: Path, name: str, do: str
) -> None:
    """Also where a spec was not read from a file; nothing is imported by a name of no list."""
    spec: Any = OptimizationSpec.model_construct(variants=[name], batch_rows=1, rounds=5, confidence=0.95)

    with pytest.raises(SpecError, match=f"no such pass; expected one of dynamic-int8, graph. Next: {do}"):
        OnnxOptimizer().optimize(converted, digits_rows, spec, tmp_path)


def test_a_flavor_without_a_converter_is_no_module_name() -> None:
    """Flavors are words of an untrusted file."""
    with pytest.raises(KeyError):
        find_converter("sklearn.x")
