"""What adds up: the cell table and its roll-ups, sliding windows, top offenders; one value per shard.

The value can be saved, loaded and driven by any clock: nothing in this room reads the time or touches a file.
"""
