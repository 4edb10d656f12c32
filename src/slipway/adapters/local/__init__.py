"""The local target: Envoy and supervised processes on this machine, with status and leases on its disk."""
