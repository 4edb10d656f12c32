"""Every error Slipway raises on purpose, named by what the caller should do.

    SlipwayError
    ├── TransientError            try again: the same call may work later
    │   ├── RegistryUnavailable       MLflow is down, slow, or refuses us for now
    │   ├── TargetUnavailable         the place that serves (Envoy, supervisor) does not answer
    │   ├── MetricsUnavailable        counters can't be read: there is no evidence, good or bad
    │   ├── OrchestratorUnavailable   Prefect does not answer
    │   └── LeaseHeld                 another release of this model is under way
    └── PermanentError            trying again changes nothing: a person or a new version must act
        ├── SpecError                 the release spec is wrong
        ├── SettingsError             the environment is wrong
        ├── NotFound                  model, version, alias, run or revision does not exist
        ├── ArtifactBroken            an artifact is missing, truncated, not allowed or unreadable
        ├── ArtifactChanged           an artifact differs from the one seen before
        ├── DataBroken                rows that can't be judged: empty, wrong columns, NaN where none may be
        ├── ConversionRefused         no converter takes this model (the release continues without one)
        ├── GateFailed                a gate failed: the release stops, the champion keeps serving
        ├── PackagingFailed           the package could not be written
        ├── RevisionFailed            a revision never became ready, or died
        ├── FormatTooNew              a document that a newer Slipway wrote
        ├── StackFailed               the embedded stack could not start or stop
        └── LeaseLost                 someone else took the lease: stop, do nothing more

A message has four parts, in this order: what it is about, what was seen, what was expected, what to do next.
"""


class SlipwayError(Exception):
    """An error with the four parts a reader needs.

    >>> print(NotFound("model digits", seen="no version 9", expected="1, 2 or 3", do="run `slipway status digits`"))
    model digits: no version 9; expected 1, 2 or 3. Next: run `slipway status digits`
    """

    def __init__(self, what: str, *, seen: str, expected: str, do: str) -> None:
        """Keep the parts separate, so that a report can show them in a table."""
        self.what, self.seen, self.expected, self.do = what, seen, expected, do
        super().__init__(f"{what}: {seen}; expected {expected}. Next: {do}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by parts: Prefect carries errors between processes."""
        return _rebuild, (type(self), self.what, self.seen, self.expected, self.do)


def _rebuild(kind: type[SlipwayError], what: str, seen: str, expected: str, do: str) -> SlipwayError:
    return kind(what, seen=seen, expected=expected, do=do)


class TransientError(SlipwayError):
    """Try again: the same call may work later."""


class RegistryUnavailable(TransientError):
    """The model registry is down, slow, or refuses us for now."""


class TargetUnavailable(TransientError):
    """The place that serves does not answer."""


class MetricsUnavailable(TransientError):
    """Counters can't be read: there is no evidence, good or bad."""


class OrchestratorUnavailable(TransientError):
    """Prefect does not answer."""


class LeaseHeld(TransientError):
    """Another release of this model is under way."""


class PermanentError(SlipwayError):
    """Trying again changes nothing: a person or a new version must act."""


class SpecError(PermanentError):
    """The release spec is wrong."""


class SettingsError(PermanentError):
    """The environment is wrong."""


class NotFound(PermanentError):
    """A model, version, alias, run or revision does not exist."""


class ArtifactBroken(PermanentError):
    """An artifact is missing, truncated, not allowed or unreadable."""


class ArtifactChanged(PermanentError):
    """An artifact differs from the one seen before."""


class DataBroken(PermanentError):
    """Rows that can't be judged."""


class ConversionRefused(PermanentError):
    """No converter takes this model; the release continues without one."""


class GateFailed(PermanentError):
    """A gate failed: the release stops, the champion keeps serving."""


class PackagingFailed(PermanentError):
    """The package could not be written."""


class RevisionFailed(PermanentError):
    """A revision never became ready, or died."""


class FormatTooNew(PermanentError):
    """A document has a format that this Slipway does not know yet."""


class StackFailed(PermanentError):
    """The embedded stack could not start or stop."""


class LeaseLost(PermanentError):
    """Someone else took the lease: stop, do nothing more."""
