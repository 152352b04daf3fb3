"""Mutants: small faults put into the source one at a time, to see whether the tests notice. `make mutants` runs it.

A mutator of our own, because mutmut and cosmic-ray take no seeded sample and count on tests that import what they test:
half of ours start scripts as processes, in a checkout.
"""
