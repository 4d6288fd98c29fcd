"""From photos to a model package: checks, fitting, scoring, plots, export."""
