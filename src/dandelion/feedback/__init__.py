"""Labels that people give: label files, and the queue of photos most worth labelling."""
