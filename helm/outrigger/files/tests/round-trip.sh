#!/bin/sh
# Asks the same question twice, as two of Dify's users: the second answer has to come from the cache. LLM_URL says where.
set -eu

ask() {  # user
  curl --silent --show-error --fail --max-time 20 --retry 10 --retry-connrefused --output /dev/null --dump-header - \
    "$LLM_URL/v1/chat/completions" --header 'content-type: application/json' --header 'authorization: Bearer helm-test' --data "{
      \"model\": \"gpt-4o-mini\", \"user\": \"$1\",
      \"messages\": [{\"role\": \"user\", \"content\": \"How do I return goods? (helm test $$)\"}]
    }" | tr -d '\r' | sed -n 's/^x-outrigger-cache: //p'
}

first=$(ask one)
second=$(ask two)
echo "first: ${first:-no answer}, second: ${second:-no answer}"
[ "$first" = miss ] && [ "$second" = hit ]
