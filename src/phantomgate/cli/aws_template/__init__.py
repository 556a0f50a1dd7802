"""`phantomgate check --aws`: does a SAM or CloudFormation template fit the settings of the function in it?

    reading ──► template ──► apis ◄── sam, plain, openapi      what is deployed, whatever it was written in
                               │
    settings ──► told ─────────┴──► checks ──► findings ──► report

Rule: nothing is contacted, no secret is read, and what can't be known before it is deployed is said to be so.
"""
