"""The Open Inference Protocol over gRPC, on a port of its own; imported only where that is set."""
