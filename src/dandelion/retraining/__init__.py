"""The seven steps of a retraining, from falling metrics to a new champion or a reason why not."""
