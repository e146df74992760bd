"""The messages of the quickstart, through each Postfix with the milter."""

import cases
from scenario import Failure, scenario


def _case(mta_name, case):
    def run(lab):
        slot = lab.milter(cases.CONFIG).slot
        wrong = cases.faults(mta_name, case, cases.send(lab, mta_name, case, slot))
        if wrong:
            raise Failure("; ".join(wrong))
    scenario(f"quickstart {mta_name}: {case.title}")(run)


for name in cases.BOTH:
    for each in cases.CASES:
        if name in each.mtas:
            _case(name, each)
