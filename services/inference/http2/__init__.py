"""HTTP/2 (RFC 9113) for one worker: connections, their streams, windows and header blocks. It knows nothing of gRPC.

It is here, and not a package, because a request's way through it costs less than a tenth of what gRPC's own server and
a quarter of what h2 takes: docs/decisions/0018 has the figures.
"""
