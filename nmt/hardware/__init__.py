"""Who multiplies, device, precision, memory, CUDA graphs."""
