"""The judge: what is counted for canary and stable, the evidence computed from it, and the decision that follows."""
