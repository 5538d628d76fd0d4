"""Pictures of the ops page, of a real run: `make screenshots`."""
