"""The demo's report: one HTML file with every picture inside, readable in a dark lab and without a network."""
