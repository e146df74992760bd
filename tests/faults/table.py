"""The table of faults."""

import textwrap

WIDTHS = (36, 44, 44, 24)
TITLES = ("fault", "clients were told", "the log said", "as before")


class Table:
    def __init__(self):
        self.rows = []

    def row(self, *columns):
        self.rows.append(columns)

    def show(self):
        if not self.rows:
            return
        print()
        self._show(TITLES)
        print("-" * (sum(WIDTHS) + 3 * len(WIDTHS)))
        for row in self.rows:
            self._show(row)

    @staticmethod
    def _show(columns):
        cells = [textwrap.wrap(text, width) or [""] for text, width in zip(columns, WIDTHS)]
        for i in range(max(map(len, cells))):
            print(" | ".join((cell[i] if i < len(cell) else "").ljust(width)
                             for cell, width in zip(cells, WIDTHS)).rstrip())
