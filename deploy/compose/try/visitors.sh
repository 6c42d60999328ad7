#!/bin/sh
# People with questions: a few that everybody has, and some that nobody had before. An hour of it.
n=0
while [ $n -lt 7200 ]; do
  n=$((n + 1))
  case $((n % 10)) in
    0 | 1 | 2 | 3) question="How do I return goods?" ;;
    4 | 5) question="When do you open?" ;;
    6) question="Do you ship abroad?" ;;
    *) question="Where is order $n?" ;;
  esac
  model=gpt-4o-mini
  if [ $((n % 3)) -eq 0 ]; then model=gpt-4o; fi
  curl --silent --output /dev/null --max-time 30 http://outrigger:8080/v1/chat/completions \
    --header 'content-type: application/json' --header 'authorization: Bearer sk-try-out' \
    --data "{\"model\": \"$model\", \"user\": \"user-$n\", \"messages\": [{\"role\": \"user\", \"content\": \"$question\"}]}" &
  sleep 0.5
done
wait
