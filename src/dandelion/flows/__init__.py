"""The flows that Prefect runs, their schedules, and how they are served and deployed."""
