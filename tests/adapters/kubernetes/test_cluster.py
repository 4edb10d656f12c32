"""The connection: what is out of reach, not trusted or not readable becomes an error that says what to do."""

import socket
from pathlib import Path

import pytest
import yaml

from slipway.adapters.kubernetes.cluster import Cluster as Api
from slipway.adapters.kubernetes.refusals import ApiRequest, Conflict, make_refusal
from slipway.errors import NotFound, PermanentError, SettingsError, SlipwayError, TargetUnavailable
from tests.adapters.kubernetes.place import Place
from tests.cluster import Cluster

TOKEN = "eyJhbGciOiJSUzI1NiJ9.a-secret"  # noqa: S105 - that it is shown nowhere is what is tested
ASKED = ApiRequest(verb="patch", kind="Deployment", namespace="models", name="digits-v1")


def kubeconfig(folder: Path, server: str, **user: str) -> str:
    """Write a kubeconfig with a token, and return its path."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "own"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": TOKEN, **user}}],
    }
    (folder / "config").write_text(yaml.safe_dump(config))
    return str(folder / "config")


def test_a_server_that_is_out_of_reach_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads after three tries, writes after one; the token is in no message. The context's namespace is taken."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, f"https://127.0.0.1:{port}"))
    api = Api.connect()

    for call in (lambda: api.get("ConfigMap", "x"), lambda: api.create({"kind": "ConfigMap", "metadata": {}})):
        with pytest.raises(TargetUnavailable, match="Connection refused") as error:
            call()
        assert TOKEN not in str(error.value)
    assert api.namespace == "own"


def test_an_unknown_certificate_is_a_matter_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    """The real server, and no authority that knows it: nothing is sent to it."""
    server = yaml.safe_load(cluster.kubectl("config", "view", "--minify"))["clusters"][0]["cluster"]["server"]
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, server))

    with pytest.raises(SettingsError, match="no trusted connection") as error:
        Api.connect().get("ConfigMap", "x")

    assert TOKEN not in str(error.value)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (f"users: [token: {TOKEN}", "it can't be read"),
        ("[]", "it can't be read"),
        ("apiVersion: v1\nkind: Config\n", "nvalid kube-config"),
    ],
)
def test_a_kubeconfig_that_is_none_is_a_matter_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, seen: str
) -> None:
    """Without the line that the parser stumbled over: that may be a secret."""
    (tmp_path / "config").write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))

    with pytest.raises(SettingsError, match=seen) as error:
        Api.connect()

    assert TOKEN not in str(error.value)
    assert error.value.__cause__ is None or TOKEN not in str(error.value.__cause__)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (503, b"etcd is on its way", TargetUnavailable, "answered 503: etcd is on its way"),
        (429, b"", TargetUnavailable, "answered 429: status 429"),
        (409, b'{"kind": "Status", "message": "changed"}', Conflict, "changed"),
        (401, b'{"kind": "Status", "message": "Unauthorized"}', SettingsError, "kubectl auth whoami"),
        (403, b'{"kind": "Status", "message": "exceeded quota: pods"}', PermanentError, "refuses it: exceeded quota"),
        (
            403,
            b'{"kind": "Status", "message": "User \\"u\\" cannot patch resource"}',
            PermanentError,
            "slipway's Role to have the verb patch for deployments.apps",
        ),
        (404, b"404 page not found", NotFound, "the cluster does not serve it"),
        (422, b'{"kind": "Status", "message": "spec.x: Invalid"}', PermanentError, "spec.x: Invalid"),
        (413, b"x" * 5000, PermanentError, "x ..."),
    ],
)
def test_every_refusal_has_its_error(status: int, body: bytes, kind: type[SlipwayError], said: str) -> None:
    """Passing ones can be tried again, the others name what a person does."""
    error = make_refusal(ASKED, status, body)

    assert type(error) is kind
    assert said in str(error)


def test_a_write_against_an_older_version_is_a_conflict(place: Place) -> None:
    """Compare and swap: who read before somebody else wrote must read again."""
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "swapped"}, "data": {"a": "1"}}
    read = place.api.create(manifest)
    place.api.replace({**read, "data": {"a": "2"}})

    with pytest.raises(Conflict):
        place.api.replace({**read, "data": {"a": "3"}})
    with pytest.raises(Conflict):
        place.api.delete("ConfigMap", "swapped", resource_version=read["metadata"]["resourceVersion"])
    with pytest.raises(Conflict):
        place.api.create(manifest)

    assert (place.api.get("ConfigMap", "swapped") or {})["data"] == {"a": "2"}
    assert place.api.delete("ConfigMap", "swapped")
    assert not place.api.delete("ConfigMap", "swapped")
