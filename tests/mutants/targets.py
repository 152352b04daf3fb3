"""What is mutated, and which tests must notice, the quickest first."""

COLLECT = ("tests/jobs/test_collect.py", "tests/jobs/test_collect_trouble.py", "tests/jobs/test_problems.py",
           "tests/jobs/test_console.py", "tests/jobs/test_cooldown.py", "tests/jobs/test_baseline.py")
CONFIG = ("tests/config", "tests/collectors/test_shipped_files.py")
GAPS = ("tests/storage/test_gaps.py", "tests/test_devices_gaps.py")
STORAGE = ("tests/storage/test_cycles.py", "tests/storage/test_manager.py", "tests/storage/test_registry.py",
           "tests/jobs/test_persist.py", "tests/storage/test_lost_database.py", "tests/storage/test_inspection.py")
TESTS: dict[str, tuple[str, ...]] = {
    "collectors/amazon_aqm/measurements.py": ("tests/collectors/amazon_aqm/test_measurements.py",
                                              "tests/collectors/amazon_aqm/test_cycle.py"),
    "collectors/hue/sensors.py": ("tests/collectors/hue",),
    "collectors/weather.py": ("tests/collectors/test_weather.py",),
    "config/__init__.py": CONFIG,
    "config/document.py": CONFIG,
    "config/legacy.py": CONFIG,
    "config/settings.py": CONFIG,
    "config/validation.py": CONFIG,
    "jobs/alerts.py": ("tests/jobs/test_alerts.py", "tests/notifiers", "tests/test_devices_alert.py", "tests/health"),
    "jobs/collect.py": (*COLLECT, "tests/collectors/amazon_aqm/test_cycle.py"),
    "jobs/cooldown.py": ("tests/jobs/test_cooldown.py", "tests/collectors/amazon_aqm/test_refusals.py"),
    "jobs/persist.py": ("tests/jobs/test_persist.py", *COLLECT),
    "runtime/redaction.py": ("tests/runtime/test_redaction.py", "tests/test_canaries.py"),
    "runtime/retry.py": ("tests/runtime/test_retry.py", "tests/jobs/test_persist.py"),
    "storage/alert_files.py": ("tests/storage/test_alert_files.py", "tests/jobs/test_alerts.py", "tests/notifiers"),
    "storage/cycle_history.py": GAPS,
    "storage/cycles.py": STORAGE,
    "storage/gaps.py": GAPS,
    "storage/manager.py": STORAGE,
    "storage/spool.py": ("tests/storage/test_spool.py", "tests/jobs/test_persist.py",
                         "tests/storage/test_interruptions.py"),
}
