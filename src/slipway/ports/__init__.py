"""Protocols: what use cases need from other systems, in the domain's types. Adapters are in slipway.adapters."""
