"""Parts of a model that training does not change: ``model.freeze``."""

from torch import nn

from nmt.config.suggestion import did_you_mean, similar
from nmt.errors import UserError
from nmt.models.seq2seq import Seq2Seq


def freeze(model: Seq2Seq) -> None:
    """Turn off the gradients of the parts in ``model.frozen``.

    Dropout stays on inside them. UserError for a part that the model does not have, and where
    nothing is left to train.
    """
    for name in model.frozen:
        for weight in part_weights(model, name, "model.freeze"):
            weight.requires_grad_(False)
    if model.frozen and not any(weight.requires_grad for weight in model.parameters()):
        raise UserError(
            f"model.freeze=[{','.join(model.frozen)}] leaves no weight to train: name fewer parts"
        )


def part_weights(model: Seq2Seq, name: str, key: str) -> list[nn.Parameter]:
    """Return the weights of a part: a module or one weight by its name in the model.

    The layers of encoder and decoder include the norms after them. UserError, with
    the ``key`` that names it, for a part that the model does not have.
    """
    under_all_names = model.named_modules(remove_duplicate=False)
    modules = {path: part for path, part in under_all_names if list(part.parameters())}
    weights = dict(model.named_parameters(remove_duplicate=False))
    if name in weights:
        return [weights[name]]
    if name not in modules or not name:
        known = [path for path in modules if path and "." not in path]
        meant = did_you_mean(similar(name, [*known, *modules, *weights]))
        raise UserError(
            f"{key}=[{name}]: the model has no such part.{meant} There are "
            f"{', '.join(known)}, and their parts by the names of their weights"
        )
    behind = modules.get(f"{name}_norm")
    return [*modules[name].parameters(), *(behind.parameters() if behind else ())]


def frozen_weights(model: nn.Module) -> list[str]:
    """Return the names of the weights that are not trained."""
    return [name for name, weight in model.named_parameters() if not weight.requires_grad]
