"""Where readings are sent to: one file or package per destination."""
