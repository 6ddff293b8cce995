"""The gradient of an update: from batches to their loss."""

import torch
from torch import Tensor, nn

from nmt.batches.batch import Batch
from nmt.config.schema import Train
from nmt.hardware.memory import as_out_of_memory
from nmt.hardware.nested import each
from nmt.hardware.runtime import autocast
from nmt.models.seq2seq import Seq2Seq
from nmt.runs.tensors import full_tensor
from nmt.training.advice import too_large
from nmt.training.compiled import compile_layers
from nmt.training.graphs import Passes, PassRecorder, cuda_graphs
from nmt.training.loss import BatchLoss, Loss, total
from nmt.training.penalized import with_penalties
from nmt.training.ranks import Ranks
from nmt.training.rewarded import with_rewards
from nmt.training.scheduled_sampling import Teacher, forcing
from nmt.training.tally import Update


class Gradients:
    """Adds the gradient of an update to a model's parameters; see :meth:`__call__`.

    Args:
        model: what is trained.
        loss: sums the loss of a batch.
        config: label smoothing, clipping, and settings for memory and speed.
        device: where the model is.
        precision: of its products.
        ranks: the processes that share each update.
        teacher: what the decoder reads.
    """

    def __init__(
        self,
        model: Seq2Seq,
        loss: BatchLoss,
        config: Train,
        device: torch.device,
        precision: torch.dtype,
        ranks: Ranks | None = None,
        teacher: Teacher = forcing,
    ) -> None:
        self.model = model
        self.config = config
        self.device = device
        self.precision = precision
        self.ranks = ranks or Ranks()
        self.teacher = teacher
        loss = with_penalties(with_rewards(loss, model), model)
        self.objective = self.ranks.objective(model, loss)
        if config.compile:
            compile_layers(model)
        self.recorder = PassRecorder(self.passes, cuda_graphs()) if self.records() else None
        self.through: Passes = self.recorder or self.passes  # the passes of each batch

    def __call__(self, batches: list[Batch], step: int, progress: float = 0.0) -> Update:
        """Add the gradient of update ``step``, clipped, and return what the update saw.

        ``progress`` is the used share of the training.

        It is the gradient of the loss summed over all target pieces and divided by their number,
        however they are spread over batches and processes. If the device has too little memory,
        batches are halved. NeedsOtherSettings where they may not be halved, or cannot be.
        """
        self.ranks.draw(step)
        tokens = sum(batch.num_pieces for batch in batches)
        divisor = torch.full((), tokens, device=self.device)
        *first, last = self.own(batches)
        try:
            with as_out_of_memory():
                with self.ranks.apart():
                    losses = [self.through(self.read(one, progress), divisor) for one in first]
                losses.append(self.through(self.read(last, progress), divisor))
        except torch.OutOfMemoryError as error:
            losses, batches = [], self.halved([*first, last], step, error)
        if not losses:  # Here nothing holds the tensors of the failed pass any longer.
            self.forget()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            return self(batches, step, progress)
        limit = self.config.clip_norm or float("inf")
        norm = full_tensor(nn.utils.clip_grad_norm_(self.model.parameters(), limit))
        return Update(each(total(losses), self.ranks.summed), tokens, norm)

    def read(self, batch: Batch, progress: float) -> Batch:
        """Bring a batch to the device, with what the decoder reads of it."""
        with autocast(self.device, self.precision):
            return self.teacher(self.model, batch.to(self.device), progress)

    def passes(self, batch: Batch, divisor: Tensor) -> Loss:
        """Forward and backward pass of a batch: adds its gradient, divided by ``divisor`` ()."""
        with autocast(self.device, self.precision):
            loss = self.objective(self.model, batch, self.config.label_smoothing)
        (loss.objective * self.ranks.size / divisor).backward()  # ranks take the mean
        return each(loss._replace(pieces=None), Tensor.detach)

    def own(self, batches: list[Batch]) -> list[Batch]:
        """Return this process's batches of an update: as many as the others', or blank ones."""
        mine = self.ranks.mine(batches)
        number = -(-len(batches) // self.ranks.size)
        return mine + [batches[0].blank()] * (number - len(mine))

    def halved(self, batches: list[Batch], step: int, error: torch.OutOfMemoryError) -> list[Batch]:
        """Cut batches that do not fit in two. NeedsOtherSettings where that is not possible."""
        largest = max(batches, key=lambda batch: batch.source.numel() + batch.target.numel())
        if not self.config.split_batches or len(largest.source) == 1:
            alone, recorded = self.ranks.size == 1, self.recorder is not None
            raise too_large(largest, step, self.config, alone, recorded) from error
        return [half for batch in batches for half in batch.halves()]

    def forget(self) -> None:
        """Clear the gradients; those that graphs add to keep their memory."""
        if not self.records():
            self.model.zero_grad()
            return
        found = [one.grad for one in self.model.parameters() if one.grad is not None]
        torch._foreach_zero_(found)  # type: ignore[attr-defined]

    def records(self) -> bool:
        """Whether passes are recorded as CUDA graphs, for which batches are padded further."""
        alone_on_gpu = self.device.type == "cuda" and self.ranks.size == 1
        as_planned = not self.model.reads_padding and self.teacher is forcing
        return self.config.cuda_graphs and alone_on_gpu and as_planned
