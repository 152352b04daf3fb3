"""The proof that nothing is lost: every fault is made for real, and afterwards the readings are counted.

A plain test run takes a sample of each proof; `make faults` (FAULTS=whole) takes the whole. Where a tool or a right is
missing the proof is skipped, and says so. docs/reliability.md has the figures.
"""

import os

WHOLE = os.environ.get("FAULTS") == "whole"
