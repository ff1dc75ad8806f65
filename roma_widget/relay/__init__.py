"""A relay: one careful client of a ROMA server in front, a server that is safe to join behind. See docs/relay.md."""
