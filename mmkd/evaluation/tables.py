"""Tables as text, for logs."""

import io

from rich.console import Console
from rich.table import Table


def table_text(table: Table, width: int = 120) -> str:
    """The table as plain text without colours, starting on a line of its own.

    Args:
        table: What to draw.
        width: Characters in a line.
    """
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return '\n' + console.file.getvalue().rstrip()
