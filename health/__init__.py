"""The health check: `runner` forks one process per component; each component is the module of its name.

The module's `check(installation)` yields stages and findings, and leaves no trace.
"""

COMPONENTS = ("configuration", "secrets", "database_wal", "database_write", "log_rotation", "disk_space", "spool",
              "alerts", "freshness", "clock", "batteries", "installation")
