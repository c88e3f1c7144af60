"""From a human hand to robot joint targets."""
