"""What a request asks, in no dialect's terms: the ground that dialects stand on."""
