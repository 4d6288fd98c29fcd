"""Photos in, predictions out: engines, classifier, batcher, service, reloader."""
