"""The proof that nothing is lost: real faults, after which the readings are counted.

A plain test run takes a sample of each proof; `make faults` (FAULTS=whole) takes all of it. A proof whose tools or
permissions are missing is skipped, with the reason. docs/reliability.md has the figures.
"""

import os

WHOLE = os.environ.get("FAULTS") == "whole"
