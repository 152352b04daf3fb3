"""The rules of the house that can be counted: each a function from all sources to its violations, as sentences.

    sources.py   the files, read as text and never imported
    imports.py   who may import whom
    sizes.py     how long, how well explained, how well tested
    habits.py    what is done in one place only, or nowhere
    planted.py   for each rule, what breaks it, and what only looks so
"""
