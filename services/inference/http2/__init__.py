"""HTTP/2 (RFC 9113) for one worker: connections, their streams, windows and header blocks. It is independent of gRPC.

It replaces gRPC's own server and the package h2, because a request costs less than a tenth of the former's time and a
quarter of the latter's: docs/decisions/0018 has the figures.
"""
