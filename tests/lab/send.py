#!/usr/bin/python3
"""Sends one message by hand and tells what became of it: `lab send`."""

import argparse
import sys

import layout
import procs
import scenario


def parse():
    parser = argparse.ArgumentParser(prog="lab send", description=__doc__)
    parser.add_argument("to", nargs="+", help="recipients, e.g. bob@dane.test")
    parser.add_argument("--mta", default="3.11", choices=layout.MTA_ADDRESSES, help="through (3.11)")
    parser.add_argument("--from", dest="sender", default="alice@sender.test")
    parser.add_argument("--requiretls", action="store_true", help="MAIL with REQUIRETLS")
    parser.add_argument("--parameter", action="append", default=[], help="another MAIL parameter")
    parser.add_argument("--header", action="append", default=[], help="'Name: value'")
    parser.add_argument("--plaintext", action="store_true", help="without STARTTLS")
    parser.add_argument("--stranger", action="store_true", help="from outside of mynetworks")
    parser.add_argument("--slot", type=int, help="seen by the milter of that slot (none)")
    parser.add_argument("--login", help="authenticate as that user, on port 587")
    return parser.parse_args()


def tell(sent):
    """The client's side, then what became of each recipient."""
    print("\n".join(sent.transcript))
    if not sent.queue_id:
        return 1
    for delivery in sent.deliveries().values():
        print(f"== {delivery}")
        if delivery.status == "sent" and not delivery.is_local:
            print(f"== arrived: {sent.arrived(delivery.to)}")
    return 0


def main():
    args = parse()
    lab = scenario.Lab([args.mta])
    parameters = (["REQUIRETLS"] if args.requiretls else []) + args.parameter
    return tell(lab.send(lab.machines[args.mta], args.to, slot=args.slot, sender=args.sender,
                         parameters=parameters, headers=args.header, tls=not args.plaintext,
                         net=layout.STRANGER if args.stranger else layout.CUSTOMER,
                         login=args.login))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except procs.LabError as error:
        sys.exit(f"lab: {error}")
