"""Show each statement of the field in a figure and a table; docs/statements.md has them.

    python scripts/statements.py [memory scaling causal_mask …]
    python scripts/statements.py gradient_distance --measure [--runs FOLDER]

The first draws what was measured before, which docs/statements/NAME.json has. With --measure it is
measured again: what has to be trained for it is trained first, unless the folder has it. Figures
go to docs/images/statement-NAME.png, and tables, with a line on where they come from, replace those
of docs/statements.md that have the same header. The folder of runs has `corpora`, a link to the
folder of Multi30k, KFTT and gold alignments, where a statement needs them.
"""

import argparse
from pathlib import Path

import basic_unit
import crossing_links
import dot_products
import encoder_windows
import exposure_bias
import fixed_vector
import gradient_distance
import heads_off
import hopping
import masks
import memory_picture
import normalizers
import output_memory
import pronouns
import scores_studied
import three_attentions
import tied_keys
from matplotlib import rc_context
from rich.console import Console
from statement_page import PAGE, USED, came_from, image, measured, read, renew, write

from nmt.report.palette import PLOTS
from nmt.runs.versions import commit
from nmt.terminal.console import tell
from nmt.terminal.table import table

STATEMENTS = {  # in the order of the page
    "fixed_vector": fixed_vector.STATEMENT,
    "gradient_distance": gradient_distance.STATEMENT,
    "crossing_links": crossing_links.STATEMENT,
    "memory": memory_picture.STATEMENT,
    "tied_keys": tied_keys.STATEMENT,
    "output_memory": output_memory.STATEMENT,
    "scores": scores_studied.STATEMENT,
    "normalizers": normalizers.STATEMENT,
    "scaling": dot_products.STATEMENT,
    "causal_mask": masks.CAUSAL,
    "padding_mask": masks.PADDING,
    "exposure_bias": exposure_bias.STATEMENT,
    "encoder_windows": encoder_windows.STATEMENT,
    "pronouns": pronouns.STATEMENT,
    "three_attentions": three_attentions.STATEMENT,
    "heads_off": heads_off.STATEMENT,
    "hopping": hopping.STATEMENT,
    "basic_unit": basic_unit.STATEMENT,
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
    program = commit()  # before it changes the page
    for name in arguments.statements or STATEMENTS:
        statement = STATEMENTS[name]
        if arguments.measure:
            USED.clear()
            write(name, statement.measure(arguments.runs), program)
        if not measured(name):
            tell(f"{name} is not measured yet: add --measure", "statements.py")
            continue
        found = read(name)
        with rc_context(PLOTS):
            statement.draw(found).savefig(image(name))
        header, *rows = statement.rows(found)
        Console(width=120).print(table([str(name) for name in header], rows))
        try:
            page = renew(PAGE.read_text(encoding="utf-8"), [header, *rows], came_from(name))
            PAGE.write_text(page, encoding="utf-8")
        except ValueError as error:
            tell(str(error), "statements.py")


if __name__ == "__main__":
    main()
