"""The webhook receiver: takes MLflow's word that there is something new, and asks for a release."""
