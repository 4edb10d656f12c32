"""A new share of requests is four insertions: CONTRIBUTING.md's recipe, followed in a copy of the source."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3] / "src" / "slipway"
ADDED = {
    "domain/judge/checks.py": (
        '    SHED = "shed_requests"\n',
        '    UNANSWERED = "unanswered_requests"\n',
    ),
    "domain/spec/judge.py": (
        "    shed: ShedSpec | None = ShedSpec()\n",
        '    unanswered: RateGuard | None = RateGuard(tolerance=1.5)\n    """Requests that got no right answer."""\n',
    ),
    "domain/judge/metrics.py": (
        "RATES = (\n",
        """    RateMetric(
        check=Check.UNANSWERED,
        source=Source.REQUESTS,
        count=lambda reading, _: reading.requests and replace(
            reading.requests,
            errors=reading.requests.errors + reading.requests.refused + reading.requests.shed,
            refused=0,
            shed=0,
        ),
        guard=lambda judge: judge.unanswered,
        spec_path="judge.unanswered",
    ),
""",
    ),
    "domain/judge/statistics/wording.py": (
        '    Check.SHED: ("sheds", "of its requests", "shed requests"),\n',
        '    Check.UNANSWERED: ("gives no right answer", "to its requests", "requests without one"),\n',
    ),
}
"""By file: after which line, and what is added."""
STORY = """
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.decision import build_verdicts, decide
from slipway.domain.judge.evidence import NO_EVIDENCE
from slipway.domain.judge.judge import Arms, When, update_evidence
from slipway.domain.judge.readings import collect_readings
from slipway.domain.spec.release import ReleaseSpec

document = {"model": "m", "data": {"path": "x", "label": "y"}, "rollout": {"shadow": None}}
off = dict.fromkeys(("latency", "refused", "shed", "nonfinite"))
spec = ReleaseSpec.model_validate(document | {"judge": off})
evidence = NO_EVIDENCE
for turn in range(1, 41):
    new = Counters(requests=200 * turn, errors=0, refused=20 * turn)
    seen = {"new": new, "old": Counters(requests=200 * turn, errors=0)}
    arms = Arms(canary="new", stable="old")
    evidence = update_evidence(evidence, arms, collect_readings(requests=seen), spec.judge, When(at=60.0 * turn))
print(decide(evidence, spec).outcome)
print([one.title for one in build_verdicts(evidence, spec)])
print(next(one.reason for one in build_verdicts(evidence, spec) if one.check == "unanswered_requests"))
"""


def test_a_metric_is_four_files_and_rolls_a_canary_back(tmp_path: Path) -> None:
    """Nothing else knows it: it is counted, guarded, scored and worded, and it decides."""
    shutil.copytree(SOURCE, tmp_path / "slipway", ignore=shutil.ignore_patterns("__pycache__", "adapters"))
    shutil.copytree(SOURCE.parent / "slipway_interface", tmp_path / "slipway_interface")
    for name, (after, added) in ADDED.items():
        path = tmp_path / "slipway" / name
        text = path.read_text()
        assert text.count(after) == 1, name
        path.write_text(text.replace(after, after + added))

    done = subprocess.run(
        [sys.executable, "-c", STORY],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    outcome, titles, reason = done.stdout.splitlines()
    assert outcome == "FAIL"
    assert titles == "['unanswered requests', 'error rate']"
    assert reason.startswith("canary gives no right answer where stable never does; chance of that")
    assert sum(added.count("\n") for _, added in ADDED.values()) == 16
