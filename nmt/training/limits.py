"""When a training ends, and how much of its budget is used."""

from math import ceil

from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.runs.checkpoint import Position
from nmt.training.schedule import Schedule


class Limits:
    """Training ends at its first limit in steps, epochs, pieces or minutes, or by patience."""

    def __init__(self, config: Train, schedule: Schedule) -> None:
        self.config = config
        self.falls = schedule.needs_budget
        budgets = (config.max_steps, config.max_epochs, config.max_pieces, config.max_minutes)
        if any(budget is not None for budget in budgets):
            return
        kind = type(schedule).__name__
        if schedule.needs_budget:
            reason = f"the schedule {kind} falls to zero where it ends"
        elif config.patience is None:
            reason = "nor train.patience, which stops when dev does not improve"
        else:
            return
        raise UserError(
            "training has no end: set train.max_steps, train.max_epochs, train.max_pieces or "
            f"train.max_minutes ({reason})"
        )

    def check_epochs(self, num_batches: int | None) -> None:
        """UserError where a schedule needs the length of an epoch, and it is not known."""
        if num_batches is None and self.falls and self.config.max_epochs is not None:
            raise UserError(
                f"train.max_epochs={self.config.max_epochs}: the learning rate cannot decay "
                "with the epochs of a stream, whose length is unknown. Set train.max_steps, and "
                "train.max_epochs=null"
            )

    def shares(self, position: Position, num_batches: int | None) -> dict[str, float]:
        """Return the used share of each budget; 1 or more: it is used up."""
        config = self.config
        used = {
            "steps": (position.step, config.max_steps),
            "epochs": (epochs(position, num_batches), config.max_epochs),
            "pieces": (position.pieces, config.max_pieces),
            "minutes": (position.seconds / 60, config.max_minutes),
        }
        given = {name: (now, end) for name, (now, end) in used.items() if end is not None}
        return {name: now / end if end else 1.0 for name, (now, end) in given.items()}

    def progress(self, position: Position, num_batches: int | None) -> float:
        """Return the share that schedules follow: minutes count only if nothing else is given."""
        shares = self.shares(position, num_batches)
        counted = [share for name, share in shares.items() if name != "minutes"]
        return min(1.0, max(counted or list(shares.values()) or [0.0]))

    def reached(self, position: Position, num_batches: int | None) -> str | None:
        """Return the limit that ends training here, in words; None: training continues."""
        shares = self.shares(position, num_batches)
        for name, share in shares.items():
            if share < 1:
                continue
            if name == "minutes" and len(shares) > 1 and self.falls:
                return (
                    "train.max_minutes reached before the learning rate had decayed, which "
                    "follows the other limits; with train.max_steps=null it follows the clock"
                )
            return f"train.max_{name} reached"
        if self.lost_patience(position):
            return f"no better dev {self.config.watch} in {self.config.patience} evaluations"
        return None

    def lost_patience(self, position: Position) -> bool:
        """Tell whether dev has not improved for too long."""
        patience = self.config.patience
        return patience is not None and position.bad_evaluations >= patience

    def raised(self, position: Position, num_batches: int | None) -> list[str]:
        """Return settings that raise each limit that is reached to twice the amount used."""
        shares = self.shares(position, num_batches)
        keys = [f"max_{name}" for name, share in shares.items() if share >= 1]
        used = {
            "max_steps": position.step,
            "max_epochs": position.epoch + (position.batch > 0),
            "max_pieces": position.pieces,
            "max_minutes": ceil(position.seconds / 60),
            "patience": position.bad_evaluations,
        }
        keys += ["patience"] if self.lost_patience(position) else []
        end = {key: max(used[key], getattr(self.config, key), 1) for key in keys}
        return [f"train.{key}={2 * end[key]}" for key in keys]


def epochs(position: Position, num_batches: int | None) -> float:
    """Return the epochs that are done; whole ones if their length is not known.

    Epochs differ by a few batches: one that has more than ``num_batches`` stays below 1 until its
    end.
    """
    if not num_batches:
        return position.epoch
    return position.epoch + position.batch / max(num_batches, position.batch + 1)
