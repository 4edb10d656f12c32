"""What can stop a release before any traffic."""
