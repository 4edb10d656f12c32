"""A version that wants a column which its clients do not send: what becomes of it, on a whole stack."""

from pathlib import Path

import httpx
import pytest

from tests.end_to_end.churn import CLIENTS, PER_SECOND, asked, register, register_plans, write_rows, write_spec
from tests.end_to_end.conftest import QUICK, Stack

pytestmark = pytest.mark.timeout(600)  # the first test also waits for the whole stack


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return validation rows that have a column more than clients send."""
    return write_rows(tmp_path_factory.mktemp("rows") / "churn.csv")


def test_it_is_stopped_before_any_traffic(stack: Stack, rows: Path) -> None:
    """The sentence names the column and what to do; the champion's clients notice nothing."""
    write_spec(stack, "churn", rows)
    register(stack, "churn", rows, CLIENTS)
    stack.slipway("release", "churn")
    with asked(stack, "churn") as sent:
        register(stack, "churn", rows, [*CLIENTS, "tenure"])
        said = stack.slipway("release", "churn", code=3)

    words = " ".join(said.split())
    assert "clients of churn-v1 break: column 'tenure' is new" in words
    assert "a default for a new column belongs inside the model" in words
    assert "contract: allow" in words
    assert stack.state("churn", 2) == "stopped"
    assert stack.status("churn")["stable"]["name"] == "churn-v1"
    assert sent.right == sent.sent > 0


def test_where_the_spec_allows_it_copies_show_it_before_any_client_sees_a_400(stack: Stack, rows: Path) -> None:
    """It goes on to the shadow, where it refuses what stable answers, and is rolled back."""
    write_spec(stack, "moved", rows, contract="allow", rollout=QUICK | {"shadow": {"duration_seconds": 60}})
    register(stack, "moved", rows, CLIENTS)
    stack.slipway("release", "moved")
    with asked(stack, "moved") as sent:
        register(stack, "moved", rows, [*CLIENTS, "tenure"])
        stack.slipway("release", "moved", code=3)

    timeline = stack.status("moved")["timeline"]
    assert stack.state("moved", 2) == "rolled-back"
    assert max(moment["weight_percent"] for moment in timeline) == 0
    assert (sent.failed, sent.right) == ({}, sent.sent)


def test_without_a_shadow_stable_answers_for_it_until_it_is_taken_back(stack: Stack, rows: Path) -> None:
    """What it refuses of live requests is answered by the version that serves; the judge counts the refusals."""
    write_spec(stack, "bold", rows, contract="allow", rollout=QUICK | {"shadow": None})
    register(stack, "bold", rows, CLIENTS)
    stack.slipway("release", "bold")
    with asked(stack, "bold") as sent:
        register(stack, "bold", rows, [*CLIENTS, "tenure"])
        stack.slipway("release", "bold", code=3)

    undecided = [moment for moment in stack.status("bold")["timeline"] if moment["phase"] == "shifting"]
    assert stack.state("bold", 2) == "rolled-back"
    assert "refuse" in stack.status("bold")["reason"]
    assert max(moment["canary"]["requests"] for moment in undecided) < PER_SECOND  # one look of these has 10, usually
    assert (sent.failed, sent.right) == ({}, sent.sent)


def test_a_plan_that_only_clients_know_stops_a_version_that_fails_at_it(stack: Stack, tmp_path: Path) -> None:
    """No rows file and no signature has it: live requests that were recorded show it, and nobody reads the value."""
    rows = tmp_path / "plans.csv"
    rows.write_text("plan,left\n" + "gold,1\nblue,0\n" * 60)
    write_spec(stack, "plans", rows, serving={"capture_share": 1})
    register_plans(stack, "plans", rows, unknown="ignore")
    stack.slipway("release", "plans")
    plan = {"name": "plan", "shape": [1], "datatype": "BYTES", "data": ["client-4711"]}
    answer = httpx.post(f"{stack.front_door}/plans/v2/models/plans/infer", json={"inputs": [plan]}, timeout=20)
    register_plans(stack, "plans", rows, unknown="error")

    said = stack.slipway("release", "plans", code=3)

    words = " ".join(said.split())
    assert answer.is_success
    assert "1 of 1 request that the champion answers are refused or fail (values of column 'plan', str)" in words
    assert "1 recorded live request" in words
    assert stack.state("plans", 2) == "stopped"
    logs = [path.read_text(errors="replace") for path in (stack.home / "rehearsals").rglob("*.log")]
    assert "client-4711" not in " ".join([said, *logs])
