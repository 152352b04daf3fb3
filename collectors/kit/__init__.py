"""What every collector carries; each module here says what it is. It imports `storage` and `config`, no collector."""
