"""What storage keeps of a job: its log and snapshots, who owns them, and what a start restores."""
