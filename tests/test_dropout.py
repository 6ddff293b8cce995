"""Our dropout against what its definition says."""

import pytest
import torch

from nmt.attention.dropout import Dropout, coins, dropout

SHARES = [0.001, 0.1, 0.3, 0.5, 0.9, 0.99999]


@pytest.mark.parametrize("share", SHARES)
def test_that_share_of_the_numbers_is_lost(share: float) -> None:
    torch.manual_seed(1)
    num = 1_000_000
    lost = 1 - coins(torch.Size([1000, 1000]), share).double().mean().item()
    assert lost == pytest.approx(share, abs=4 * (share * (1 - share) / num) ** 0.5 + 2**-16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (64, 31, 17)])
def test_kept_numbers_grow_and_gradients_go_the_same_way(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    torch.manual_seed(2)
    x = torch.ones(shape, dtype=dtype, requires_grad=True)
    y = dropout(x, 0.25, training=True)
    assert y.dtype == dtype
    assert y.shape == x.shape
    grown = torch.tensor(1 / 0.75).to(dtype)
    assert ((y == 0) | (y == grown)).all()
    y.backward(torch.ones_like(y))
    assert x.grad is not None
    assert torch.equal(x.grad, y)


def test_neighbours_are_independent() -> None:
    torch.manual_seed(3)
    kept = coins(torch.Size([400_004]), 0.5).float() - 0.5
    for distance in range(1, 9):
        correlation = (kept[:-distance] * kept[distance:]).mean().item() * 4
        assert abs(correlation) < 0.01, distance


def test_outside_training_and_at_zero_nothing_changes() -> None:
    x = torch.randn(4, 4)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x
    assert Dropout(0.5).eval()(x) is x


def test_the_seed_decides() -> None:
    x = torch.ones(100)

    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return Dropout(0.5)(x)

    assert torch.equal(drawn(5), drawn(5))
    assert not torch.equal(drawn(5), drawn(6))
