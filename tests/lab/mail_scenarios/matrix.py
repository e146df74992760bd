"""Every machine, way to ask, destination and level: as tests/MATRIX says, and by the rules that hold
for all of it."""

import difflib

import matrix
import matrix_rules
import matrix_table
from scenario import Failure, check, expect, scenario


def differences(key, cells):
    """A description of what is not as in the table, with the transcripts of the cells concerned."""
    wanted = matrix_table.read().get(key, [])
    seen = matrix_table.block(cells)
    return [line for line in difflib.unified_diff(wanted, seen, "tests/MATRIX", "seen", n=0,
                                                  lineterm="")]


def _one(machine, request):
    @scenario(f"matrix {machine.key}: {request.title}", setting=machine.setting)
    def _(lab):
        cells = matrix.run(lab, machine, request)
        wrong = matrix_rules.broken(cells)
        if request.name == "none":
            wrong += matrix_rules.differing(cells, matrix.run(lab, machine, matrix.UNFILTERED,
                                                              matrix.LEVELS[:1]))
        if machine.agent:
            tables = matrix_table.tables()
            wrong += [line for cell in cells
                      for line in matrix_rules.unlike(cell, matrix_table.outcome(cell), tables)]
        wrong += differences((machine.key, request.name), cells)
        if wrong:
            raise Failure("\n".join(wrong))


for each in matrix.MACHINES.values():
    for how in matrix.REQUESTS.values():
        _one(each, how)


def placed(tables):
    """(cell, outcome) of every row of tests/MATRIX that is of a machine with the agent."""
    for (key, name), rows in tables.items():
        machine, request = matrix.MACHINES[key], matrix.REQUESTS[name]
        for to in matrix.DESTINATIONS if machine.agent else ():
            for level in matrix.LEVELS:
                yield matrix.Cell(machine, request, level, to), rows[level, to.name]


@scenario("matrix with the agent: every row of the table is that of Postfix 3.11, but for differences that are named",
          machines=())
def _(_):
    tables = matrix_table.tables()
    seen = list(placed(tables))
    expect({cell.machine.key for cell, _ in seen}, {m.key for m in matrix.MACHINES.values() if m.agent}, "machines")
    wrong = [line for cell, row in seen for line in matrix_rules.unlike(cell, row, tables)]
    check(not wrong, "\n".join(wrong))


@scenario("matrix with the agent: a difference that is not named, or is none any more, is noticed", machines=())
def _(_):
    tables = matrix_table.tables()
    seen = list(placed(tables))
    for cell, row in seen:
        for column in range(len(row)):
            other = (*row[:column], f"{row[column]} x", *row[column + 1:])
            check(list(matrix_rules.unlike(cell, other, tables)), f"{cell.where}: {other} passes")
    for each in matrix_rules.DIFFERENCES:
        others = [d for d in matrix_rules.DIFFERENCES if d is not each]
        missed = [cell for cell, row in seen if list(matrix_rules.unlike(cell, row, tables, others))]
        check(missed, f"nothing differs by: {each[0]}")
