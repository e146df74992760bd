#!/usr/bin/python3
"""Prints tests/MATRIX as this lab sees it, without judging it. Runs inside a lab (`lab matrix`)."""

import json
import sys

import layout
import matrix
import matrix_table
import scenario


def main(mtas):
    lab = scenario.Lab(mtas)
    lab.use(matrix.SETTING)
    blocks = {}
    for machine in lab.machines:
        for request in matrix.REQUESTS.values():
            cells = matrix.run(lab, lab.machines[machine], request)
            blocks[machine, request.name] = matrix_table.block(cells)
            lab.end()
            lab.begin()
    errors = lab.stop_kept()
    if errors:
        sys.exit("\n".join(errors))
    print(matrix_table.text(blocks), end="")


if __name__ == "__main__":
    main(json.loads((layout.RUN / "lab.json").read_text())["mtas"])
