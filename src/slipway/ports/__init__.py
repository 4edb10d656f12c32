"""The seams: what tasks need from the outside world, said in the domain's words. Adapters live in slipway.adapters."""
