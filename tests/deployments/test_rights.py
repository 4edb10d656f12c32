"""The chart's accounts on a real cluster: every right that is needed, and none besides."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from tests.cluster import Cluster, cluster_or_skip
from tests.deployments.rendering import LEAST, Document, of_kind, render

RIGHTS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
Question = tuple[str, str, str]
"""Group, resource, verb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Accounts and roles of a release, applied."""

    cluster: Cluster
    release: str
    """Namespace of the release."""
    models: str
    """Namespace of the models."""
    documents: list[Document]

    def allowed(self, account: str, namespace: str, questions: list[Question]) -> set[Question]:
        """Ask the API server, as `kubectl auth can-i --as` does, and return what the account may."""
        user = f"system:serviceaccount:{self.release}:demo-slipway-{account}"
        reviews = [review(user, namespace, question) for question in questions]
        answers = self.cluster.kubectl("create", "-f", "-", "-o", "yaml", given=yaml.safe_dump_all(reviews))
        found = [one for document in yaml.safe_load_all(answers) for one in document.get("items", [document])]
        assert len(found) == len(questions)
        return {question for question, answer in zip(questions, found, strict=True) if answer["status"].get("allowed")}

    def rules(self, kind: str, ending: str) -> list[Question]:
        """Return what a role of the chart grants."""
        return [
            (group, resource, verb)
            for role in of_kind(self.documents, kind, ending)
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        ]


def review(user: str, namespace: str, question: Question) -> Document:
    """Return the question whether a user may do something."""
    group, resource, verb = question
    resource, _, part = resource.partition("/")
    attributes = {"group": group, "resource": resource, "subresource": part, "verb": verb, "namespace": namespace}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": attributes,
        },
    }


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    """Apply the chart's accounts and roles: the release in one namespace, models in another."""
    cluster = cluster_or_skip()
    with cluster.namespace("slipway-chart-ops") as release, cluster.namespace("slipway-chart-models") as models:
        documents = [d for d in render({**LEAST, "namespaces": [models]}, release) if d["kind"] in RIGHTS]
        for document in documents:
            if not document["kind"].startswith("Cluster"):
                document["metadata"].setdefault("namespace", release)
        cluster.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(documents))
        yield Installed(cluster=cluster, release=release, models=models, documents=documents)
        everywhere = [document for document in documents if document["kind"].startswith("Cluster")]
        cluster.kubectl("delete", "-f", "-", given=yaml.safe_dump_all(everywhere))


FORBIDDEN: list[Question] = [
    ("", "secrets", "get"),
    ("", "secrets", "list"),
    ("", "nodes", "get"),
    ("", "nodes", "list"),
    ("", "namespaces", "create"),
    ("", "pods", "create"),
    ("", "pods/exec", "create"),
    ("", "pods/attach", "create"),
    ("", "pods/portforward", "create"),
    ("", "serviceaccounts/token", "create"),
    ("apps", "deployments", "deletecollection"),
    ("apps", "daemonsets", "create"),
    ("batch", "cronjobs", "create"),
    ("rbac.authorization.k8s.io", "roles", "create"),
    ("rbac.authorization.k8s.io", "rolebindings", "create"),
]


def test_flows_may_do_what_the_adapter_does_where_models_serve(installed: Installed) -> None:
    """Every right of the list works for the flows' account in a namespace of models."""
    needed = installed.rules("Role", "-models")

    assert len(needed) > 20
    assert installed.allowed("flows", installed.models, needed) == set(needed)


def test_flows_may_do_nothing_of_it_elsewhere(installed: Installed) -> None:
    """Neither in the release's own namespace nor in that of the system."""
    needed = installed.rules("Role", "-models")

    assert installed.allowed("flows", "kube-system", needed) == set()
    assert installed.allowed("flows", installed.release, needed) == set()


def test_flows_read_gateways_everywhere_and_change_none(installed: Installed) -> None:
    """The ClusterRole reads, and nothing else."""
    granted = installed.rules("ClusterRole", "-gateways")
    writing = [(group, resource, verb) for group, resource, _ in granted for verb in ("create", "patch", "delete")]

    assert installed.allowed("flows", "kube-system", granted) == set(granted)
    assert installed.allowed("flows", installed.models, writing) == set()
    assert {verb for _, _, verb in granted} <= {"get", "list"}


@pytest.mark.parametrize("account", ["flows", "worker", "receiver"])
def test_no_account_reaches_secrets_nodes_or_shells(installed: Installed, account: str) -> None:
    """Whatever runs in these pods can't read a secret, enter a pod or give itself more rights."""
    assert installed.allowed(account, installed.models, FORBIDDEN) == set()
    assert installed.allowed(account, installed.release, FORBIDDEN) == set()


def test_the_worker_runs_jobs_in_its_own_namespace_alone(installed: Installed) -> None:
    """What Prefect's worker needs beside the release, and nothing where models serve."""
    needed = installed.rules("Role", "-worker")

    assert installed.allowed("worker", installed.release, needed) == set(needed)
    assert installed.allowed("worker", installed.models, needed) == set()


def test_the_receiver_may_do_nothing(installed: Installed) -> None:
    """It has an account so that it is nobody else; no role names it."""
    everything = installed.rules("Role", "-models") + installed.rules("Role", "-worker")

    assert installed.allowed("receiver", installed.release, everything) == set()
    assert installed.allowed("receiver", installed.models, everything) == set()
