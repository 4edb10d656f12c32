"""Versions and signatures: what is read from a version's tags."""

import pytest

from slipway.domain.release.version import ModelVersion, ReleaseState, Signature


def test_a_version_tells_its_state_and_its_name() -> None:
    """The state is the tag that Slipway wrote; the name is the revision's."""
    version = ModelVersion(model="digits", version=7, source="s", tags={"slipway.state": "promoted"})

    assert (version.name, version.state) == ("digits-v7", ReleaseState.PROMOTED)
    assert ModelVersion(model="digits", version=8, source="s").state is None


def test_a_state_that_slipway_never_writes_is_an_error() -> None:
    """Nothing unreadable becomes a default."""
    version = ModelVersion(model="digits", version=7, source="s", tags={"slipway.state": "great"})

    with pytest.raises(ValueError, match="great"):
        _ = version.state


def test_a_signature_without_inputs_has_no_columns() -> None:
    """Edge of the property that stages read."""
    assert Signature(inputs=(), outputs=()).columns == ()
