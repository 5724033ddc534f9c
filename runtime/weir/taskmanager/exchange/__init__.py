"""The exchange of rows between subtasks: outputs that route, channels with credit, codecs, and the streams between workers.

Knows channels and batches, no tasks: nothing here imports what is above it in this room.
"""
