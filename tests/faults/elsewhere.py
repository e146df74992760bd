"""Faults that other suites make: each with the name of its test as in REQUIREMENTS, which
check-requirements looks for. They stand at the end of the table."""

ELSEWHERE = [
    ("memory fails at each allocation of the engine", "program memory"),
    ("memory fails at each allocation of a configuration", "unit config_memory"),
    ("a lookup fails, or is never answered", "scenario rfc7672-2.1.2-mx-lookup-times-out"),
    ("the resolver is down, with DANE seen before", "scenario resolver-dies-dane-was-seen"),
    ("the resolver ceases to validate in the middle of a lookup",
     "scenario resolver-ceases-to-validate-during-a-lookup"),
    ("policy hosts that misbehave at each step of TLS and HTTP", "unit sts_fetch"),
    ("the wall clock jumps, with policies in force", "scenario pitfall-wall-clock-jumps"),
    ("24 hours pass, memory is bounded", "program day"),
    ("months pass, domains come, go and change, resolvers fail", "program soak"),
    ("the store is damaged", "unit store_damage"),
    ("MTA gone, at any point of the conversation", "protocol hostile: connections broken off anywhere"),
    ("milter killed in each callback", "lab placement 3.7: killed while rcpt waits: deferred, not lost, not accepted"),
    ("a reload under load", "protocol load: a reload under load loses no session"),
    ("a stop under load", "protocol load: a stop under load cuts no message"),
    ("too few descriptors for a start", "protocol life: too few descriptors: an error, whatever their number"),
    ("the socket's directory is missing at a start", "protocol life: the socket's directory is missing"),
    ("files of the configuration are gone at a reload",
     "protocol life: files that the configuration names, at a reload"),
]
