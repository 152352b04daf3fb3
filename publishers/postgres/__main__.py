"""`python -m publishers.postgres`: one run."""

from jobs import publish
from publishers import postgres

if __name__ == "__main__":
    publish.main(postgres)
