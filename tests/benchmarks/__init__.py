"""Costs, as ratios within one run, because milliseconds depend on the machine. Not part of `make test`.

    cost.py          each program beside floor.py, the shortest script that does the same
    baseline.py      a Hue cycle beside the predecessor's, with 3, 10 and 50 sensors, at a bridge's pace
    scale.py         cycle, health check and devices.py with ten million stored readings
    years.py         makes those readings
    health_check.py  the health check beside an interpreter that only imports
    log_handler.py   our log handler beside the standard library's, with four processes writing
"""
