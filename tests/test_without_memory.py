"""Models that are built for their shapes alone."""

import torch
from small_model import small_rnn, small_transformer
from torch.utils._python_dispatch import TorchDispatchMode

from nmt.models.without_memory import without_memory


class Called(TorchDispatchMode):
    """Keeps the names of the operators that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.name())
        return func(*args, **(kwargs or {}))


def test_a_model_without_memory_has_its_shapes_and_draws_no_normal_numbers():
    for make in (small_rnn, small_transformer):
        with Called() as called, without_memory():
            model = make()
        wanted = {name: one.shape for name, one in make().state_dict().items()}
        assert {name: one.shape for name, one in model.state_dict().items()} == wanted
        assert all(one.device.type == "meta" for one in model.parameters())
        assert "aten::normal_" not in called.names  # for which torch imports its compiler

    with Called() as called, torch.device("meta"):
        small_rnn()
    assert "aten::normal_" in called.names
