"""Ways to call a human, one file each."""
