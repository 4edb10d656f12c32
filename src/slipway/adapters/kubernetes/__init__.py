"""The Kubernetes target: Deployments behind a Gateway (or one Service), with status and leases in the cluster."""
