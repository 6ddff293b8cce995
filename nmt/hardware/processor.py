"""What Linux says about the processor; elsewhere nothing is known."""

from functools import cache


@cache
def cpu_flags() -> frozenset[str]:
    """Return the processor's features as Linux names them; empty elsewhere."""
    return frozenset(cpu_line("flags").split())


@cache
def cpu_line(name: str) -> str:
    """Return what stands under this name for the first processor; "" where nothing does."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            line = next((line for line in lines if line.startswith(name)), "")
    except OSError:
        return ""
    return line.partition(":")[2].strip()
