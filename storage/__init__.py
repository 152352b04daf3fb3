"""What outlives a run: the database, the device registry, the spool and the small files beside them.

It imports only `runtime`, knows nothing of networks, and never reads the clock. Its errors are in `runtime.errors`.
"""
