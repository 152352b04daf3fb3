"""The health check: one file per component, run side by side."""
