"""Who answers in whose place, in each phase of a rollout."""

from dataclasses import asdict, replace

import pytest
from pydantic import ValidationError

from slipway.domain.rollout.actions import wanted_traffic
from slipway.domain.rollout.revision import Rescue, Traffic
from slipway.domain.rollout.status import Phase
from slipway.domain.spec.fitting import fit_spec
from slipway.domain.spec.rescue import RescueSpec
from tests.domain.looks import NEW, OLD, given, release_spec

BOUNDS = RescueSpec(at_once=4, after_seconds=2)
RESCUED = replace(NEW, rescue=BOUNDS)
RESCUE = Rescue(of="new", by="old", at_once=4, after_seconds=2)
RESCUING = {Phase.SHIFTING, Phase.HELD, Phase.PROMOTING, Phase.BAKING}


@pytest.mark.parametrize("phase", Phase)
def test_the_version_before_rescues_while_the_new_one_gets_requests(phase: Phase) -> None:
    """After promotion too, as long as it is warm; in no other phase, and never the other way round."""
    wanted = wanted_traffic(given(phase, canary=RESCUED))

    assert (wanted.rescue if wanted else None) == (RESCUE if phase in RESCUING else None)


@pytest.mark.parametrize("phase", sorted(RESCUING))
def test_nobody_rescues_where_it_is_turned_off_or_a_person_took_a_version_back(phase: Phase) -> None:
    """Without bounds in the spec; and who took the new version back does not want its answers."""
    off = wanted_traffic(given(phase))
    taken_back = wanted_traffic(given(phase, canary=RESCUED, direct=True))

    assert off is not None
    assert off.rescue is None
    assert taken_back is not None
    assert taken_back.rescue is None


def test_traffic_is_read_back_as_it_was_written() -> None:
    """Also what was written before there was a rescue."""
    traffic = Traffic(stable="old", canary="new", canary_percent=30, rescue=RESCUE)

    assert Traffic.from_document(asdict(traffic)) == traffic
    assert Traffic.from_document({"stable": "old", "canary": "new"}) == Traffic(stable="old", canary="new")


@pytest.mark.parametrize("document", [[], {"stable": "old", "rescue": {"of": "old"}}, {"steady": "old"}, "old"])
def test_what_is_no_traffic_is_refused(document: object) -> None:
    """Never taken for something else."""
    with pytest.raises((TypeError, ValueError)):
        Traffic.from_document(document)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(("of", "by"), [("new", "new"), ("new", "older"), ("older", "old")])
def test_only_the_two_versions_in_traffic_rescue_one_another(of: str, by: str) -> None:
    """No router could be told of a third."""
    rescue = Rescue(of=of, by=by, at_once=1, after_seconds=1)

    with pytest.raises(ValueError, match=f"{by} is to answer for {of}"):
        Traffic(stable=OLD.name, canary=NEW.name, canary_percent=10, rescue=rescue)


def test_it_is_on_by_default_and_bounded() -> None:
    """16 requests at a time, after 10 s; null turns it off."""
    assert release_spec().rollout.rescue == RescueSpec(at_once=16, after_seconds=10)
    assert release_spec(rescue=None).rollout.rescue is None


@pytest.mark.parametrize(
    "wrong", [{"at_once": 0}, {"at_once": 1001}, {"after_seconds": 0}, {"after_seconds": 31}, {"percent": 5}]
)
def test_bounds_that_bound_nothing_are_refused(wrong: dict[str, float]) -> None:
    """The error names the key."""
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RescueSpec.model_validate(wrong)


def test_a_router_that_rescues_nothing_is_asked_for_nothing() -> None:
    """Said in words; a spec without a rescue loses nothing."""
    spec, said = fit_spec(release_spec(), copies=True, weights=None, rescues=False)

    assert spec.rollout.rescue is None
    assert said[0].startswith("no rescue: ")
    assert fit_spec(spec, copies=True, weights=None, rescues=False) == (spec, ())
