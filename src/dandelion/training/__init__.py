"""Photos to model packages: data, fit, figures, graphs."""
