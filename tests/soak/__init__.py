"""Weeks of both collectors in compressed time: the real cron lines, as processes, against the simulated house.

    python -m tests.soak day week month     what `make soak` runs; each phase leaves data/soak/<phase>.json
    python -m tests.soak report             docs/soak.md, from what the phases left

A phase steps a clock from cycle to cycle. At each, what is due by the crontab starts side by side, at that moment by a
clock that then runs at normal speed, and the house shows the same time. Mishaps come from a schedule drawn from a seed.
Afterwards each reading that existed is looked for in the database: it is there, true and once, or a mishap tells why
not. The same seed gives the same counts.
"""
