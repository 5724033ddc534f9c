"""An attempt at its workers: the slots it asks for, the plan in force, the messages that deploy it, and what its subtasks say of themselves."""
