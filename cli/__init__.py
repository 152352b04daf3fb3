"""The parts of devices.py."""
