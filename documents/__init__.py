"""What is printed for people: invoices and credit notes as PDF. Values in, bytes out; nothing is fetched."""
