#!/usr/bin/python3
"""Prints tests/VERIFICATION as this lab sees it. Runs inside a lab (`lab verification`)."""

import verification
import verification_table

if __name__ == "__main__":
    print(verification_table.text(verification.compare()), end="")
