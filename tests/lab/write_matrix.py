#!/usr/bin/python3
"""Writes tests/MATRIX as this lab sees it, without judging it. What it says of machines that are not up, or that
are not named (words of their names), it goes on saying. Runs inside a lab (`lab matrix`)."""

import json
import sys

import layout
import matrix
import matrix_table
import procs
import scenario


def main(mtas, words):
    lab = scenario.Lab(mtas)
    blocks = matrix_table.read()
    for machine in matrix.MACHINES.values():
        if machine.name not in lab.machines or words and not any(word in machine.title for word in words):
            continue
        lab.use(machine.setting)
        for request in matrix.REQUESTS.values():
            blocks[machine.key, request.name] = matrix_table.block(matrix.run(lab, machine, request))
            lab.end()
            lab.begin()
    errors = lab.stop_kept()
    if errors:
        sys.exit("\n".join(errors))
    procs.replace(matrix_table.PATH,
                  matrix_table.text({key: blocks[key] for key in matrix_table.TITLES if key in blocks}))
    print(f"{matrix_table.PATH} is written")


if __name__ == "__main__":
    main(json.loads((layout.RUN / "lab.json").read_text())["mtas"], sys.argv[1:])
