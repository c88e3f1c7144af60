"""Sessions in the formats of others: LeRobotDataset v3.0, MCAP, Parquet."""
