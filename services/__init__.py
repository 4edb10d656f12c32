"""What runs for long: the inference service that goes into packages, and the webhook receiver."""
