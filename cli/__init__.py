"""What devices.py is made of: a person at the terminal meets the sources, and the devices that they tell of.

    visit.py      one call of it: what all of its commands need
    pairing.py    how a human introduces us to a source
    registry.py   the devices in the database, looked at and changed beside the collectors
    listing.py    what is told of devices, and of what is missing of them, for people and for programs
    table.py      how it is shown on terminals of any width
    typed.py      what people type, checked
"""
