#!/bin/sh
# Is the installed release there? ADMIN_URL and LLM_URL say where.
set -eu

code() { curl --silent --insecure --max-time 10 --retry 10 --retry-connrefused --output /dev/null --write-out '%{http_code}' "$1"; }

ready=$(code "$ADMIN_URL/readyz")
[ "$ready" = 200 ] || { echo "$ADMIN_URL/readyz answers $ready instead of 200"; exit 1; }
echo "ready"

# Any answer shows that the door is open; what a provider says to a request without a key is its own affair.
door=$(code "$LLM_URL/")
[ "$door" != 000 ] || { echo "nobody answers at $LLM_URL"; exit 1; }
echo "the llm door is open"
