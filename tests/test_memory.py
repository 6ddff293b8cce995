"""What an attention of a usual size needs at its peak, counted on tensors without numbers."""

import weakref
from typing import Any

import pytest
import torch
from choices import choose, names
from small_model import NEEDS
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nmt.attention.attend import Attend, Remembered
from nmt.attention.build import build_attention

B, H, K, T, S = 64, 8, 64, 60, 60
IN_TURN = 20  # of T positions, where they come one after the other: they need as much each
MOST = 1e9
GROUPS = ("attention", "normalize", "window", "sink", "gate", "mix")
BIASES = ("alibi", "t5", "shaw", "forgetting")
CHOICES = [(group, name) for group in GROUPS for name in names(group) if name != "none"]
CHOICES += [("positions", name) for name in BIASES]
SETTINGS = {"key_heads": 1, "soft_cap": 20.0}


class Peak(TorchDispatchMode):
    """Counts the bytes of all storages that live at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: weakref.WeakSet = weakref.WeakSet()
        self.now = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if isinstance(one, torch.Tensor) and one.untyped_storage() not in self.seen:
                storage = one.untyped_storage()
                self.seen.add(storage)
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self.free, storage.nbytes())
        return found

    def free(self, num_bytes: int) -> None:
        self.now -= num_bytes


def peak(choice: dict[str, str], **settings: float) -> int:
    """Bytes of an attention, forward and backward, in training.

    One with a history goes from position to position, as in training: what it needs for all T.
    """
    choice = {k: v for one in choice.items() for k, v in NEEDS.get(one, {}).items()} | choice
    usual = {"attention": "scaled_dot", "normalize": "softmax", "window": "full"} | choice
    parts = {group: choose(group, name) for group, name in usual.items() if group in GROUPS}
    score, width = parts.pop("attention"), H * K
    with FakeTensorMode(), Peak() as counted:
        if name := choice.get("positions"):
            parts["bias"] = choose("positions", name)(width, K).bias(causal=True)
        attend = build_attention(
            *(width, width, width), score=score, heads=H, in_turn=True, **parts, **settings
        )
        x = torch.empty(B, S, width, requires_grad=True)
        memory = attend.train().remember(x, x)
        mask = torch.empty(B, 1, S, dtype=torch.bool)
        if attend.has_history:
            in_turn(attend, x, memory, mask).sum().backward()
            return counted.most * T // IN_TURN
        attend(x, *memory, mask, torch.arange(T)).sum().backward()
    return counted.most


def in_turn(attend: Attend, x: Tensor, memory: Remembered, mask: Tensor) -> Tensor:
    """The contexts (B,IN_TURN,D) of one position after the other."""
    past, found = attend.no_history(mask[:, 0]), []
    for t, query in enumerate(x[:, :IN_TURN].split(1, 1)):
        context, past = attend.look_on(query, *memory, mask, torch.full((B, 1), t), past)
        found.append(context)
    return torch.cat(found, 1)


@pytest.mark.parametrize("choice", CHOICES, ids="=".join)
def test_an_attention_of_a_usual_size_takes_less_than_a_gigabyte(choice, monkeypatch):
    monkeypatch.setattr("nmt.attention.additive.by_exponentials", lambda _: False)  # asks numbers
    monkeypatch.setattr("nmt.attention.additive.CPU_BLOCK", 1 << 22)  # few blocks, soon counted
    most = peak(dict([choice]))
    assert 20e6 < most < MOST, "less than its memory of keys and values would be a wrong count"


@pytest.mark.parametrize("name", SETTINGS)
def test_so_does_one_with_a_setting_of_the_model(name):
    assert 20e6 < peak({}, **{name: SETTINGS[name]}) < MOST
