"""The processes of a server: a supervisor, its workers, and how they take requests and end."""
