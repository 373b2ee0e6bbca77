"""What is measured, as ratios of two figures taken side by side in one run: `make bench`."""
