"""Other companies' faces: our sessions, payments, refunds and disputes, asked for and told in their words."""
