"""`python -m collectors.hue`: one cycle."""

from collectors import hue
from jobs import collect

if __name__ == "__main__":
    collect.main(hue)
