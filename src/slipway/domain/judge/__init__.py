"""The judge: what is counted of canary and stable, the evidence that it makes, and what that decides."""
