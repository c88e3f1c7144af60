"""Compare feature sets of the skin on known tasks, with few labels, on recordings that nothing was learnt from."""
