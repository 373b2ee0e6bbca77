"""Stripe: ``adapter`` fills the port, ``requests`` and ``words`` translate, ``events`` hears."""
