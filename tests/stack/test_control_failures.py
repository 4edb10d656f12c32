"""What `up` refuses or takes back, and what it leaves: nothing."""

import socket
from pathlib import Path

import pytest

from slipway import stack
from slipway.adapters.local.processes import find_marked
from slipway.errors import StackFailed
from slipway.settings import Settings
from slipway.stack import PartState
from slipway.stack.environment import make_environment
from slipway.stack.secrets import load_encryption_key, load_webhook_secret
from tests.stack.conftest import HOST, make_project, make_settings


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    """Return settings of a home where nothing is."""
    return make_settings(tmp_path / "home")


def _nothing_runs(settings: Settings) -> bool:
    return find_marked(str(settings.target_home / "supervisor")) == [] and {
        part.state for part in stack.read_status(settings)
    } == {PartState.DOWN}


@pytest.mark.parametrize(
    ("part", "setting"),
    [("mlflow", "SLIPWAY_MLFLOW_PORT"), ("envoy", "SLIPWAY_FRONT_DOOR_PORT"), ("envoy", "SLIPWAY_ENVOY_ADMIN_PORT")],
)
def test_a_taken_port_is_found_before_anything_starts(fresh: Settings, project: Path, part: str, setting: str) -> None:
    """The error names the port, the part, who listens, and the setting to change."""
    port = getattr(fresh, setting.removeprefix("SLIPWAY_").lower())
    with socket.socket() as squatter:
        squatter.bind((HOST, port))
        squatter.listen()

        with pytest.raises(StackFailed) as caught:
            stack.start_stack(fresh, root=project)

    assert caught.value.what == f"port {port} of {part}"
    assert "listens there" in caught.value.seen
    assert setting in caught.value.do
    assert _nothing_runs(fresh)


def test_a_part_that_can_t_start_takes_the_others_with_it(fresh: Settings, tmp_path: Path) -> None:
    """The error has the last line of its log; nothing that was started is left."""
    root = make_project(tmp_path / "project", receiver="raise SystemExit('no secret here')", deployments="name: none")

    with pytest.raises(StackFailed, match=r"webhook: no secret here.*webhook\.log"):
        stack.start_stack(fresh, root=root)

    assert _nothing_runs(fresh)


def test_outside_of_a_project_nothing_starts(fresh: Settings, tmp_path: Path) -> None:
    """The receiver and the flows lie in the project: the error says where it looked."""
    with pytest.raises(StackFailed, match="no services/webhook"):
        stack.start_stack(fresh, root=tmp_path)

    assert _nothing_runs(fresh)


def test_a_prefect_yaml_that_is_none_is_named(fresh: Settings, tmp_path: Path) -> None:
    """The error names the file; nothing is left running."""
    root = make_project(tmp_path / "project", deployments="[")

    with pytest.raises(StackFailed, match=r"prefect\.yaml"):
        stack.start_stack(fresh, root=root)

    assert _nothing_runs(fresh)


def test_asking_for_the_status_writes_nothing(fresh: Settings) -> None:
    """No folder, no secret, no file."""
    parts = stack.read_status(fresh)

    assert {part.state for part in parts} == {PartState.DOWN}
    assert not fresh.home.exists()


def test_down_where_nothing_runs_is_no_error(fresh: Settings) -> None:
    """Down is idempotent."""
    stack.stop_stack(fresh)

    assert _nothing_runs(fresh)


def test_children_get_the_same_settings(fresh: Settings, tmp_path: Path) -> None:
    """What this process decided, in variables: a flow run reads the same settings from them; nothing is sent home."""
    variables = make_environment(fresh, tmp_path)

    assert variables["SLIPWAY_HOME"] == str(fresh.home)
    assert variables["SLIPWAY_ENVOY_ADMIN_PORT"] == str(fresh.envoy_admin_port)
    assert variables["SLIPWAY_ROOT"] == str(tmp_path)
    assert variables["PREFECT_API_URL"] == fresh.prefect
    assert variables["MLFLOW_TRACKING_URI"] == fresh.mlflow
    assert variables["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert "SLIPWAY_MLFLOW_URI" not in variables


def test_servers_of_ones_own_are_not_started(tmp_path: Path) -> None:
    """With MLflow and Prefect elsewhere, the stack has neither, and children are told where they are."""
    settings = Settings(home=tmp_path, mlflow_uri="http://mlflow.test:5000", prefect_api="http://prefect.test/api")

    assert [part.name for part in stack.read_status(settings)] == ["envoy", "webhook", "worker"]
    assert make_environment(settings)["PREFECT_API_URL"] == "http://prefect.test/api"


def test_secrets_are_made_once(fresh: Settings) -> None:
    """The same ones come back; a secret that is set is not written down."""
    assert load_webhook_secret(fresh) == load_webhook_secret(fresh) != load_encryption_key(fresh)
    assert fresh.secret_file.read_text() == load_webhook_secret(fresh)

    given = Settings(home=fresh.home / "other", webhook_secret="given")  # noqa: S106 - of no use anywhere
    assert load_webhook_secret(given) == "given"
    assert not given.secret_file.exists()
