"""What Slipway and the inference service must agree on: names, paths, formats and limits, each defined once.

Slipway (src/slipway) and the service (services/inference) never import each other; both import this package. It is in
Slipway's wheel, and the packager copies it into every package beside `services/`. It therefore uses the standard
library only, and reads documents of every format that was ever written: packages outlive the version that made them.
"""
