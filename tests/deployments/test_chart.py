"""What the chart installs: valid for the published schemas, hardened, and with nothing secret in it."""

import json
from collections.abc import Iterable
from importlib.metadata import version
from itertools import chain
from typing import Any

import kubernetes_validate
import pytest
import yaml

from slipway.adapters.kubernetes import rights
from slipway.platforms.kubernetes import KubernetesSettings
from slipway.settings import Settings
from tests.deployments.rendering import (
    CHART,
    EXAMPLES,
    LEAST,
    NAMESPACE,
    ROOT,
    Document,
    of_kind,
    one,
    render,
    template,
)

SETS: dict[str, Document] = {
    "least": LEAST,
    "kind": yaml.safe_load((EXAMPLES / "values-kind.yaml").read_text()),
    "production": yaml.safe_load((EXAMPLES / "values-production.yaml").read_text()),
    "no-webhook": {**LEAST, "webhook": {"enabled": False}, "networkPolicies": {"enabled": False}},
    "builder": {**LEAST, "flows": {"builder": True}, "specs": {"inline": {"digits.yaml": "model: digits\n"}}},
    "placed": {
        **LEAST,
        "worker": {"nodeSelector": {"pool": "ops"}, "tolerations": [{"key": "ops", "operator": "Exists"}]},
        "flows": {"nodeSelector": {"pool": "ml"}, "tolerations": [{"key": "ml", "operator": "Exists"}]},
        "extraEnv": {"NO_PROXY": "10.0.0.0/8"},
    },
}
CUSTOM = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}
"""Kinds that the published schemas do not know."""


@pytest.fixture(params=SETS, scope="module")
def documents(request: pytest.FixtureRequest) -> list[Document]:
    """Return the chart's documents for one set of values."""
    return render(SETS[request.param])


def job_of(documents: list[Document]) -> Document:
    """Return the Job that Prefect's worker makes of a flow run, with its placeholders filled in."""
    pool = json.loads(one(documents, "ConfigMap", "-pool")["data"]["base-job-template.json"])
    job: Document = pool["job_configuration"]["job_manifest"]
    job["metadata"]["labels"] = {}
    return job


def pods_of(documents: list[Document]) -> dict[str, Any]:
    """Return every pod that the chart starts, by the name of what starts it."""
    starters = of_kind(documents, "Deployment") + of_kind(documents, "Job")
    pods = {starter["metadata"]["name"]: starter["spec"]["template"]["spec"] for starter in starters}
    flow = job_of(documents)["spec"]["template"]["spec"]
    return {**pods, "flow": flow, "doctor": one(documents, "Pod", "-doctor")["spec"]}


def test_every_object_is_valid_for_the_published_schemas(documents: list[Document]) -> None:
    """What `helm template` gives is taken by a strict API server, whatever the values."""
    known = [document for document in documents if document["kind"] not in CUSTOM]

    assert len(known) > 8
    for document in known:
        kubernetes_validate.validate(document, "1.35", strict=True)


def test_flow_jobs_are_valid_but_for_what_prefect_wants_misplaced(documents: list[Document]) -> None:
    """Prefect's worker looks for two of a Job's fields in its pod; all else passes the strict schema."""
    job = job_of(documents)
    pod = job["spec"]["template"]["spec"]

    misplaced = [pod.pop("parallelism"), pod.pop("completions")]

    assert misplaced == [1, 1]
    assert job["spec"]["backoffLimit"] == 0
    kubernetes_validate.validate(job, "1.35", strict=True)


def test_the_doctor_sees_what_a_flow_sees(documents: list[Document]) -> None:
    """`helm test` asks with a flow's account, settings and volumes; only the command is another."""
    pods = pods_of(documents)
    flow, doctor = pods["flow"], pods["doctor"]

    assert doctor["containers"][0].pop("args") == ["slipway", "doctor"]
    assert {key: flow[key] for key in doctor} == doctor


def test_pods_run_without_privileges(documents: list[Document]) -> None:
    """Non-root, read-only root, no capabilities, seccomp; only `builder` trades some of it inside a user namespace."""
    for name, pod in pods_of(documents).items():
        (container,) = pod["containers"]
        if pod.get("hostUsers") is False:
            assert name in {"flow", "doctor"}
            continue
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"], name
        assert not security["allowPrivilegeEscalation"], name
        assert security["capabilities"] == {"drop": ["ALL"]}, name


def test_only_pods_that_call_the_api_server_have_a_token(documents: list[Document]) -> None:
    """The worker, the flows and the doctor do; the receiver and the registration do not."""
    tokens = {name: pod["automountServiceAccountToken"] for name, pod in pods_of(documents).items()}

    assert tokens.pop("demo-slipway-worker")
    assert tokens.pop("flow")
    assert tokens.pop("doctor")
    assert not any(tokens.values())
    assert not any(account["automountServiceAccountToken"] for account in of_kind(documents, "ServiceAccount"))


def test_secrets_are_only_referred_to(documents: list[Document]) -> None:
    """The chart makes no Secret, and every login in a pod's environment is a reference."""
    environment = chain.from_iterable(pod["containers"][0].get("env", []) for pod in pods_of(documents).values())

    assert not of_kind(documents, "Secret")
    for variable in environment:
        if any(word in variable["name"] for word in ("SECRET", "AUTH_STRING")) and "value" in variable:
            assert variable["name"].endswith(("_SECRET_NAME", "_SECRET_KEY")), variable["name"]


def test_settings_of_the_chart_are_settings_of_slipway(documents: list[Document]) -> None:
    """A misspelt SLIPWAY_ variable would be ignored without a word."""
    given = one(documents, "ConfigMap", "-settings")["data"]
    for pod in pods_of(documents).values():
        given |= {variable["name"]: "" for variable in pod["containers"][0].get("env", [])}

    ours = {name.removeprefix("SLIPWAY_").lower() for name in given if name.startswith("SLIPWAY_")}

    assert ours <= Settings.model_fields.keys() | KubernetesSettings.model_fields.keys()
    assert {"target", "models", "mlflow_uri", "prefect_api", "kube_namespace"} <= ours


def test_only_the_receiver_listens_to_the_world(documents: list[Document]) -> None:
    """The worker and the flows let nobody in; the receiver is told by the chart alone to listen beyond loopback."""
    pods = pods_of(documents)
    listening = {
        name
        for name, pod in pods.items()
        if {"name": "SLIPWAY_HOST", "value": "0.0.0.0"} in pod["containers"][0].get("env", [])  # noqa: S104 - looked for
    }

    assert listening <= {"demo-slipway-webhook"}
    for policy in of_kind(documents, "NetworkPolicy", "-closed"):
        assert "ingress" not in policy["spec"]
        assert policy["spec"]["policyTypes"] == ["Ingress"]


def test_roles_say_what_the_adapter_says_it_needs() -> None:
    """One list: the adapter's. The chart's files are copies that can't drift."""
    documents = render(LEAST)

    assert granted(one(documents, "Role", "-models")) == needed(rights.NAMESPACED)
    assert granted(one(documents, "ClusterRole")) == needed(rights.CLUSTER_WIDE)


def granted(role: Document) -> set[tuple[str, str, str]]:
    """Return a role's rules as (group, resource, verb), whatever their grouping."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def needed(rules: Iterable[rights.Rule]) -> set[tuple[str, str, str]]:
    """Return the adapter's rules in the same form."""
    return {(rule.group, rule.resource, verb) for rule in rules for verb in rule.verbs}


def test_each_namespace_of_models_gets_its_own_role() -> None:
    """Rights end at the namespaces that were named; the flows' account stays in the release's."""
    documents = render({**LEAST, "namespaces": ["fraud", "search"]})
    roles = of_kind(documents, "Role", "-models")
    bindings = of_kind(documents, "RoleBinding", "-models")

    assert [role["metadata"]["namespace"] for role in roles] == ["fraud", "search"]
    assert {subject["namespace"] for binding in bindings for subject in binding["subjects"]} == {NAMESPACE}
    assert one(documents, "ConfigMap", "-settings")["data"]["SLIPWAY_KUBE_NAMESPACE"] == "fraud"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"webhok": {}}, "webhok"),
        ({"mlflow": {"uri": ""}}, "mlflow"),
        ({"mlflow": {"uri": "http://user:password@mlflow"}}, "mlflow"),
        ({"prefect": {"api": "http://prefect:4200"}}, "prefect"),
        ({"webhook": {}}, "webhook.existingSecret"),
        ({"evidence": "linkerd"}, "evidence"),
        ({"specs": {"existingClaim": "a", "existingConfigMap": "b"}}, "exactly one"),
    ],
)
def test_wrong_values_are_refused_by_name(change: Document, said: str) -> None:
    """A misspelt key, a missing address, a login in an address: Helm stops and names the key."""
    done = template({**LEAST, **change})

    assert done.returncode != 0
    assert said in done.stderr


def test_every_value_is_described() -> None:
    """values.yaml and the schema know the same keys; the schema says what each is, and the README lists it."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert not list(undescribed(schema["properties"]))
    assert set(schema["properties"]) - {"global"} == set(values)
    for key, value in values.items():
        closed = schema["properties"][key]
        if isinstance(value, dict) and "properties" in closed:
            assert set(value) == set(closed["properties"]), key
        assert f"| `{key}" in (CHART / "README.md").read_text(), key


def undescribed(properties: Document) -> list[str]:
    """Return the properties without a description, however deep."""
    found = [name for name, schema in properties.items() if not schema.get("description")]
    return found + [name for schema in properties.values() for name in undescribed(schema.get("properties", {}))]


def test_chart_and_package_have_one_version() -> None:
    """The image's default tag is the version of what is in it."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == version("slipway")


def test_the_example_gateway_lets_labelled_namespaces_in() -> None:
    """Its documents are a namespace and a Gateway in it, open to the label that docs/kubernetes.md sets."""
    namespace, gateway = yaml.safe_load_all((EXAMPLES / "gateway.yaml").read_text())
    (listener,) = gateway["spec"]["listeners"]

    assert gateway["metadata"]["namespace"] == namespace["metadata"]["name"]
    assert listener["allowedRoutes"]["namespaces"]["selector"]["matchLabels"] == {"slipway.dev/models": "true"}
    assert "slipway.dev/models=true" in (ROOT / "docs" / "kubernetes.md").read_text()
