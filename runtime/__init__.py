"""The ground: HTTP, retries, deadlines, logging and files. It knows no source, no table and no setting."""
