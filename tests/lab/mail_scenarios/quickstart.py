"""The messages of the quickstart, through each Postfix with the milter."""

import agent
import cases
from scenario import Failure, scenario


def _case(mta_name, case):
    def run(lab):
        slot = lab.milter(cases.CONFIG).slot
        wrong = cases.faults(mta_name, case, cases.send(lab, mta_name, case, slot))
        if wrong:
            raise Failure("; ".join(wrong))
    scenario(f"quickstart {mta_name}: {case.title}")(run)


def _with_agent(case):
    @agent.delivers(f"quickstart: {case.title}", more=cases.AGENT_CONFIG, version="3.7")
    def _(lab, *_):
        wrong = cases.faults("3.7", case, cases.send(lab, "3.7", case, "own"))
        if wrong:
            raise Failure("; ".join(wrong))


for name in cases.BOTH:
    for each in cases.CASES:
        if name in each.mtas:
            _case(name, each)
for each in cases.AGENT_CASES:
    _with_agent(each)
