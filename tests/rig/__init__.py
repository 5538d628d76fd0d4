"""Real parts for tests and benchmarks, started in private and gone with the process that started them."""
