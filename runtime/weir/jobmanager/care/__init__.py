"""What is done with a job's snapshots beside its life: in short-lived pods, and when a person asks to delete one."""
