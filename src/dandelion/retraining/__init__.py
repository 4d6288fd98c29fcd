"""A retraining, step by step: from figures that fall to a better model in service, or to a reason why not."""
