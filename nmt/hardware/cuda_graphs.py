"""CUDA graphs that are recorded one after the other and use the same memory in turns."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SPARE = 1 / 4  # of a GPU's memory: with less, what is cached is given back before a recording


class Pool:
    """The memory of some graphs, and the stream on which they are recorded."""

    def __init__(self) -> None:
        self.handle = torch.cuda.graph_pool_handle()
        self.stream = torch.cuda.Stream()

    @contextmanager
    def recording(self) -> Iterator[torch.cuda.CUDAGraph]:
        """Record what the device is asked for inside the block; no part of it is done yet.

        `torch.cuda.graph` gives back all cached memory before, of the host as well, which then is
        asked for anew: that takes longer than to record.
        """
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        free, total = torch.cuda.mem_get_info()
        if free < total * SPARE:
            torch.cuda.empty_cache()
        with torch.cuda.stream(self.stream):
            # Another thread may meanwhile pin memory for the next batches: that is no part of it.
            graph.capture_begin(self.handle, capture_error_mode="thread_local")
            try:
                yield graph
            finally:
                graph.capture_end()
