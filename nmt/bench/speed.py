"""All that `nmt bench` measures, and the forms it is given in."""

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch

from nmt.bench.decoding import DecodingSpeed
from nmt.bench.profile import Operator
from nmt.bench.training import BACKWARD, DATA, FORWARD, UPDATE, TrainingSpeed
from nmt.evaluation.evaluate import hardware
from nmt.terminal.table import written
from nmt.training.room import in_bytes

NOTE = "¹ with the gradients of the output layer, computed together with its logits"
NAMES = {
    DATA: "data, to the device",
    FORWARD: "forward and loss ¹",
    BACKWARD: "backward",
    UPDATE: "clipping and optimizer",
}
RECORDED = {FORWARD: "forward and loss ¹ of new shapes", BACKWARD: "all else of both passes"}


@dataclass
class Machine:
    """Where it was measured."""

    device: str
    threads: int  # of a CPU, which the work has, or which ask a GPU for it
    precision: str
    gemm_rate: float  # operations per second of large matrix products in this precision

    @classmethod
    def of(cls, device: torch.device, precision: torch.dtype, gemm_rate: float) -> "Machine":
        """Describe the one that this process runs on."""
        named = f"{device.type} ({hardware(device)})"
        precision_name = str(precision).removeprefix("torch.")
        return cls(named, torch.get_num_threads(), precision_name, gemm_rate)


@dataclass
class Speed:
    """What was measured; None where it was not asked for."""

    machine: Machine
    parameters: int
    training: TrainingSpeed | None
    decoding: DecodingSpeed | None

    def rows(self) -> Iterator[tuple[str, str]]:
        """What and how much, in units that people read."""
        machine = self.machine
        yield "machine", f"{machine.device}, {machine.threads} threads, {machine.precision}"
        yield "large matrix products", f"{written(machine.gemm_rate / 1e9)} GFLOP/s"
        yield "parameters", written(self.parameters)
        if self.training:
            yield from training_rows(self.training, machine)
        if self.decoding:
            yield from decoding_rows(self.decoding)

    def figures(self) -> dict[str, Any]:
        """The same as numbers: seconds, bytes, operations per second, shares."""
        found = asdict(self)
        if self.training:
            found["training"] |= rates(self.training, self.machine)
        if self.decoding:
            found["decoding"] |= {"sentences_per_s": per_second(self.decoding)}
        return {**found, "torch": torch.__version__, "python": platform.python_version()}

    def profiles(self) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
        """What was profiled, and its operators: name, share of the time, calls."""
        for part, measured in (("training", self.training), ("decoding", self.decoding)):
            if measured and measured.operators:
                yield part, list(map(operator_row, measured.operators))


def operator_row(operator: Operator) -> tuple[str, str, str]:
    """The row of an operator."""
    return operator.name, f"{operator.share:.1%}", written(operator.calls)


def rates(training: TrainingSpeed, machine: Machine) -> dict[str, float]:
    """What follows from the counts and the time."""
    reached = training.operations / training.seconds
    return {
        "tokens_per_s": training.tokens / training.seconds,
        "operations_per_s": reached,
        "share_of_gemm_rate": reached / machine.gemm_rate,
    }


def training_rows(training: TrainingSpeed, machine: Machine) -> Iterator[tuple[str, str]]:
    """The rows of training."""
    found = rates(training, machine)
    reached = f"{written(found['operations_per_s'] / 1e9)} GFLOP/s"
    yield "training", f"{found['tokens_per_s']:,.0f} target pieces per second"
    yield "padding", f"{training.padding_share:.1%} of both sides"
    share = f"{found['share_of_gemm_rate']:.1%} of the rate of large ones"
    yield "matrix products in training", f"{reached}, {share}"
    yield "an update", f"{1000 * training.seconds / training.updates:,.1f} ms"
    total = sum(training.parts.values())
    names = NAMES | RECORDED if training.recorded else NAMES
    for part, seconds in training.parts.items():
        yield f"  {names[part]}", f"{1000 * seconds:,.1f} ms, {seconds / total:.1%}"
    yield "most memory in training", in_bytes(training.peak_memory)


def decoding_rows(decoding: DecodingSpeed) -> Iterator[tuple[str, str]]:
    """The rows of decoding."""
    how = f"beam {decoding.beam}, {decoding.batch_size} per batch, {decoding.pieces} forced pieces"
    yield "decoding", f"{per_second(decoding):,.1f} sentences per second ({how})"
    yield "most memory in decoding", in_bytes(decoding.peak_memory)


def per_second(decoding: DecodingSpeed) -> float:
    """Sentences per second."""
    return decoding.sentences / decoding.seconds
