#!/usr/bin/env bash
# Conversations by `previous_response_id`, with a gateway on the configuration beside this file.
set -euo pipefail

# 1. Make request 1 with no previous_response_id (new session)
first=$(curl -sSf http://localhost:4000/v1/responses \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer sk-1234" \
  -d '{
    "model": "anthropic/claude-3-5-sonnet-latest",
    "input": "who is Michael Jordan"
  }')
echo "$first"
id=$(sed -E 's/^\{"id":"([^"]+)".*/\1/' <<<"$first")

# 2. Make request 2 with previous_response_id (same session)
curl -sSf http://localhost:4000/v1/responses \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer sk-1234" \
  -d '{
    "model": "anthropic/claude-3-5-sonnet-latest",
    "input": "can you tell me more about him",
    "previous_response_id": "'"$id"'"
  }'
echo

# 3. Make request 3 with no previous_response_id (new session)
curl -sSf http://localhost:4000/v1/responses \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer sk-1234" \
  -d '{
    "model": "anthropic/claude-3-5-sonnet-latest",
    "input": "can you tell me more about him"
  }'
echo
