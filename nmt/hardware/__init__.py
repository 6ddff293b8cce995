"""Who multiplies, how threads wait, device, precision, memory, CUDA graphs."""
