"""Tests of contrib: the files work with the record as it is."""
