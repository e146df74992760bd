"""Every machine, way to ask, destination and level: as tests/MATRIX says, and by the rules that hold
for all of it."""

import difflib

import matrix
import matrix_rules
import matrix_table
from scenario import Failure, scenario


def differences(key, cells):
    """A description of what is not as in the table, with the transcripts of the cells concerned."""
    wanted = matrix_table.read().get(key, [])
    seen = matrix_table.block(cells)
    return [line for line in difflib.unified_diff(wanted, seen, "tests/MATRIX", "seen", n=0,
                                                  lineterm="")]


def _one(machine, request):
    @scenario(f"matrix {machine}: {request.title}", setting=matrix.SETTING)
    def _(lab):
        mta = lab.machines[machine]
        cells = matrix.run(lab, mta, request)
        wrong = matrix_rules.broken(cells)
        if request.name == "none":
            wrong += matrix_rules.differing(cells, matrix.run(lab, mta, matrix.UNFILTERED,
                                                              matrix.LEVELS[:1]))
        wrong += differences((machine, request.name), cells)
        if wrong:
            raise Failure("\n".join(wrong))


for each in matrix_table.MACHINES:
    for how in matrix.REQUESTS.values():
        _one(each, how)
