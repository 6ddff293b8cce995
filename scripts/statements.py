"""Show each statement of the field in a figure and a table; docs/statements.md has them.

    python scripts/statements.py [memory scaling causal_mask …]
    python scripts/statements.py gradient_distance --measure [--runs FOLDER]

The first draws what was measured before, which docs/statements/NAME.json has. With --measure it is
measured again: what has to be trained for it is trained first, unless the folder has it. Figures
go to docs/images/statement-NAME.png. The folder of runs has `corpora`, a link to the folder of
Multi30k, KFTT and gold alignments, where a statement needs them.
"""

import argparse
from pathlib import Path

import crossing_links
import dot_products
import encoder_windows
import exposure_bias
import gradient_distance
import heads_off
import hopping
import masks
import output_memory
import pronouns
import three_attentions
from matplotlib import rc_context
from memory_picture import look, picture
from rich.console import Console
from statement_page import Found, Rows, Statement, image, measured, read, write

from nmt.report.palette import PLOTS
from nmt.terminal.console import tell
from nmt.terminal.table import table


def measure_memory(_: Path) -> Found:
    """Look into a memory of four keys. Nothing is trained."""
    found = look()
    return {name: values.tolist() for name, values in found._asdict().items()}


def memory_rows(found: Found) -> Rows:
    """Each key's score, weight and value, and the mixture."""
    header = ("", "score", "weight", *["value"] * len(found["context"]))
    numbers = zip(found["scores"], found["weights"], found["values"], strict=True)
    rows: Rows = [
        (f"k{place}", f"{score:.4f}", f"{weight:.4f}", *(f"{x:.4f}" for x in value))
        for place, (score, weight, value) in enumerate(numbers, start=1)
    ]
    mixture = (f"{x:.4f}" for x in found["context"])
    return [header, *rows, ("mixture", "", f"{sum(found['weights']):.4f}", *mixture)]


STATEMENTS = {  # in the order of the page
    "gradient_distance": gradient_distance.STATEMENT,
    "crossing_links": crossing_links.STATEMENT,
    "memory": Statement(measure_memory, lambda _: picture(look()), memory_rows),
    "output_memory": output_memory.STATEMENT,
    "scaling": dot_products.STATEMENT,
    "causal_mask": masks.CAUSAL,
    "padding_mask": masks.PADDING,
    "exposure_bias": exposure_bias.STATEMENT,
    "encoder_windows": encoder_windows.STATEMENT,
    "pronouns": pronouns.STATEMENT,
    "three_attentions": three_attentions.STATEMENT,
    "heads_off": heads_off.STATEMENT,
    "hopping": hopping.STATEMENT,
}


def main() -> None:
    """Show the statements that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("statements", nargs="*", help=", ".join(STATEMENTS))
    parser.add_argument("--measure", action="store_true", help="train and measure again")
    parser.add_argument("--runs", type=Path, default=Path("runs/statements"))
    arguments = parser.parse_args()
    if unknown := set(arguments.statements) - set(STATEMENTS):
        parser.error(f"{', '.join(unknown)}: there are {', '.join(STATEMENTS)}")
    for name in arguments.statements or STATEMENTS:
        statement = STATEMENTS[name]
        if arguments.measure:
            write(name, statement.measure(arguments.runs))
        if not measured(name):
            tell(f"{name} is not measured yet: add --measure", "statements.py")
            continue
        found = read(name)
        with rc_context(PLOTS):
            statement.draw(found).savefig(image(name))
        header, *rows = statement.rows(found)
        Console(width=120).print(table([str(name) for name in header], rows))


if __name__ == "__main__":
    main()
