"""Labels that people give: files of them, and the queue of photos most worth one."""
