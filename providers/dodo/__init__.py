"""Dodo Payments: ``adapter`` fills the port, ``words`` translates, ``search`` stands in for missing keys."""
