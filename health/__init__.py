"""The health check: `runner` forks one process per component, and each component is the module of its name."""

COMPONENTS = ("configuration", "secrets", "database_wal", "database_write", "log_rotation", "disk_space", "spool",
              "alerts", "freshness")
