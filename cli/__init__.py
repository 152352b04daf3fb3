"""What devices.py is made of.

    context.py    one call: configuration, log, and how it talks to the person
    editor.py     changes to devices and their readings, made beside the collectors
    lookup.py     which device an id, a name or a part of one means
    listing.py    devices and gaps as rows for people and values for programs
    table.py      tables that fit the terminal
    arguments.py  the types of arguments, and questions
    pairing.py    how a source is paired
"""
