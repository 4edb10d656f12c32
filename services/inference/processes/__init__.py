"""The processes of a server: a supervisor and its workers, how they accept requests and how they end."""
