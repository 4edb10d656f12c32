"""A rollout: its status, what is seen of it, and the pure step from one look to the next."""
