"""Which Gateway models are reached by, where nobody said so."""

from typing import Any

import pytest

from slipway.adapters.kubernetes.gateway import choose_gateway
from slipway.errors import SettingsError


def gateway(namespace: str, name: str, admits: str = "Same", protocol: str = "HTTP") -> dict[str, Any]:
    """Return a Gateway with one listener."""
    listener = {"protocol": protocol, "allowedRoutes": {"namespaces": {"from": admits}}}
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"listeners": [listener]}}


def test_the_only_one_that_lets_us_in_is_taken() -> None:
    """Wherever it is; those of others that keep to themselves, and those without HTTP, do not count."""
    shared = gateway("gateways", "shared", "All")
    others = [gateway("other", "own"), gateway("models", "tcp", protocol="TCP")]

    assert choose_gateway([*others, shared], "models") == shared
    assert choose_gateway(others, "models") is None


def test_our_namespace_s_own_comes_first() -> None:
    """Whoever put one there meant it."""
    own = gateway("models", "own")

    assert choose_gateway([gateway("gateways", "shared", "All"), own], "models") == own


def test_where_there_are_several_a_person_says_which() -> None:
    """All of them are named."""
    several = [gateway("a", "one", "All"), gateway("b", "two", "Selector")]

    with pytest.raises(SettingsError, match="several Gateways: a/one, b/two"):
        choose_gateway(several, "models")
