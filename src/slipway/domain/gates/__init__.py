"""Gates: checks that can stop a release before any traffic."""
