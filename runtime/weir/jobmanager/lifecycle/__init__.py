"""The life of a job as a pure state machine: what happens to it, what is to be done about it, and the table in between."""
