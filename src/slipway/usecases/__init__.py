"""What Slipway does, without an orchestrator: begin a release, drive it, take it back, watch, reconcile, record."""
