"""The ground of the program: retry, HTTP, files, log, time limits. It knows no source, no table, no setting."""

VERSION = "0.1.0"
