"""The workers that no job holds, who waits for them, and which subtask runs in which."""
