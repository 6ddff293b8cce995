"""Where the time goes: operators by the time they took themselves, by torch's profiler."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from nmt.bench.clock import now


@dataclass(frozen=True)
class Operator:
    """An operator of torch without those that it calls; on a GPU a kernel."""

    name: str
    seconds: float  # of all calls
    share: float  # of the seconds of all operators
    calls: int


def operators(work: Callable[[], object], device: torch.device, num: int) -> list[Operator]:
    """Do the work and return the ``num`` operators that took most time on the device.

    For none of them nothing is done.
    """
    if not num:
        return []
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # or it tells when it starts and stops
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]
    with profile(activities=activities) as found:
        work()
        now(device)
    name = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    events = [event for event in found.key_averages() if not on_gpu or is_kernel(event)]
    seconds = {event: getattr(event, name) / 1e6 for event in events}
    total = sum(seconds.values())
    longest = sorted(seconds, key=lambda event: seconds[event], reverse=True)[:num]
    return [
        Operator(event.key, seconds[event], seconds[event] / total, event.count)
        for event in longest
    ]


def is_kernel(event: FunctionEventAvg) -> bool:
    """Whether it ran on a GPU, and is not the name of a stretch of time there."""
    return event.device_type.name == "CUDA" and not event.is_user_annotation
