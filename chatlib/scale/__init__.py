"""Past one machine: the Parquet data set, and the work of a stream or a bucket mapped over it by Ray."""
