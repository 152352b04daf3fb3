"""`python -m publishers`: run all enabled publishers, one after the other."""

from jobs import publish

if __name__ == "__main__":
    publish.main_all()
