"""What every LabelStore promises. An adapter's test class inherits it and gives an empty store as `labels`."""

from collections.abc import Iterator

import pytest

from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.labels import Label
from slipway.errors import DataBroken
from slipway.ports.labels import LabelStore, Recorded


def batch(revision: str, first: int, last: int, *, wrong: int = 0) -> list[Label]:
    """Return labels of the requests r-first .. r-last, of which the first so many are wrong."""
    return [
        Label(request_id=f"r-{number}", revision=revision, wrong=number < first + wrong)
        for number in range(first, last + 1)
    ]


class LabelStoreContract:
    """Labels by request, counted by revision."""

    def test_an_empty_store_counts_zero(self, labels: LabelStore) -> None:
        """Zeros for every revision that was asked for."""
        assert labels.count_labels("digits", ["digits-v1", "digits-v2"]) == {"digits-v1": ZERO, "digits-v2": ZERO}

    def test_labels_are_counted_by_the_revision_that_served(self, labels: LabelStore) -> None:
        """Labelled answers, and wrong ones among them."""
        done = labels.record("digits", [*batch("digits-v1", 1, 10, wrong=3), *batch("digits-v2", 11, 14, wrong=4)])

        assert done == Recorded(added=14, duplicates=0)
        assert labels.count_labels("digits", ["digits-v1", "digits-v2"]) == {
            "digits-v1": Counters(requests=10, errors=3),
            "digits-v2": Counters(requests=4, errors=4),
        }

    def test_later_batches_add_up(self, labels: LabelStore) -> None:
        """Counts are cumulative."""
        labels.record("digits", batch("digits-v1", 1, 5, wrong=1))
        labels.record("digits", batch("digits-v1", 6, 7, wrong=2))

        assert labels.count_labels("digits", ["digits-v1"]) == {"digits-v1": Counters(requests=7, errors=3)}

    def test_the_first_label_of_a_request_counts(self, labels: LabelStore) -> None:
        """A second one changes nothing: neither in a later batch, nor in its own, nor under another revision."""
        labels.record("digits", batch("digits-v1", 1, 3))
        again = [*batch("digits-v1", 2, 4, wrong=3), *batch("digits-v2", 1, 1), *batch("digits-v1", 4, 4)]

        done = labels.record("digits", again)

        assert done == Recorded(added=1, duplicates=4)
        assert labels.count_labels("digits", ["digits-v1", "digits-v2"]) == {
            "digits-v1": Counters(requests=4, errors=1),
            "digits-v2": ZERO,
        }

    def test_models_do_not_meet(self, labels: LabelStore) -> None:
        """Two models may see the same request id."""
        labels.record("digits", batch("digits-v1", 1, 2))

        done = labels.record("fraud", batch("fraud-v1", 1, 2, wrong=1))

        assert done == Recorded(added=2, duplicates=0)
        assert labels.count_labels("fraud", ["fraud-v1", "digits-v1"]) == {
            "fraud-v1": Counters(requests=2, errors=1),
            "digits-v1": ZERO,
        }

    def test_another_models_label_stops_the_whole_batch(self, labels: LabelStore) -> None:
        """Nothing of it is recorded."""
        with pytest.raises(DataBroken, match="fraud-v1"):
            labels.record("digits", [*batch("digits-v1", 1, 2), *batch("fraud-v1", 3, 3)])

        assert labels.count_labels("digits", ["digits-v1"]) == {"digits-v1": ZERO}

    def test_a_batch_that_breaks_off_leaves_nothing(self, labels: LabelStore) -> None:
        """Whatever its source raised comes through; what was there before stays."""
        labels.record("digits", batch("digits-v1", 1, 2))

        def breaking() -> Iterator[Label]:
            yield from batch("digits-v1", 3, 9, wrong=7)
            raise OSError("the source is gone")

        with pytest.raises(OSError, match="the source is gone"):
            labels.record("digits", breaking())

        assert labels.count_labels("digits", ["digits-v1"]) == {"digits-v1": Counters(requests=2, errors=0)}

    def test_an_empty_batch_changes_nothing(self, labels: LabelStore) -> None:
        """Nothing new is no error."""
        assert labels.record("digits", []) == Recorded(added=0, duplicates=0)
