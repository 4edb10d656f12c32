"""The webhook receiver: accepts MLflow's events about new versions, and requests releases."""
