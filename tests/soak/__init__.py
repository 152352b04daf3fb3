"""Weeks of both collectors in compressed time: the real cron lines, as processes, against the simulated house.

    python -m tests.soak day week month     as `make soak`; each phase leaves data/soak/<phase>.json
    python -m tests.soak report             docs/soak.md, from these files

A phase steps a clock from cycle to cycle. At each one the commands due by the crontab start side by side, on a clock
that shows that time and then runs at normal speed; the house shows the same time. Mishaps come from a schedule drawn
from a seed. Afterwards each reading that existed must be in the database, correct and once, or a mishap explains why it
is missing. The same seed gives the same counts.
"""
