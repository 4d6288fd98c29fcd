"""Photos in, predictions out: runtime, classifier, batcher, service, reloader."""
