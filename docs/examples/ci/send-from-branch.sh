#!/bin/sh
# Send what is new, with the state kept sealed on a branch of this repository.
#
# The branch is claimed by a push before anything is sent, and given back by another after it: of two jobs at once one push is refused,
# and that job ends with 75. A claim of six hours ago means that a job died, and its state with it: the next one stops with 2.
#
# Environment: NEWSLETTER_AGE_KEY (`newsletter state key` makes it), and what the relay needs. Arguments are given on to `newsletter send`.
set -eu
branch=${NEWSLETTER_STATE_BRANCH:-newsletter-state}
remote=${NEWSLETTER_STATE_REMOTE:-origin}
here=$(pwd)
tree=$(mktemp -d)
trap 'cd "$here"; git worktree remove --force "$tree" >/dev/null 2>&1 || true; rm -rf "$tree"' EXIT
say() { echo "send-from-branch: $*" >&2; }
save() { git -C "$tree" -c user.name=newsletter -c user.email=newsletter@example.org commit --quiet --allow-empty -m "$1"; }
push() { git -C "$tree" push --quiet "$remote" "HEAD:refs/heads/$branch" 2>/dev/null; }

if git fetch --quiet "$remote" "+refs/heads/$branch:refs/remotes/$remote/$branch" 2>/dev/null; then
  git worktree add --quiet --detach "$tree" "$remote/$branch"
  first=
else
  if [ "${1:-}" != --first ]; then
    say "there is no branch $branch: if nothing was ever sent, give --first; else find out where it went"
    exit 2
  fi
  git worktree add --quiet --detach "$tree" HEAD
  git -C "$tree" checkout --quiet --orphan newsletter-state-new
  git -C "$tree" rm -rfq --cached . && git -C "$tree" clean -fdxq
  first=--first
fi
if [ "${1:-}" = --first ]; then shift; fi

if [ -f "$tree/claimed" ]; then
  read -r since who < "$tree/claimed"
  minutes=$((($(date +%s) - since) / 60))
  if [ "$minutes" -lt "${NEWSLETTER_CLAIM_MINUTES:-360}" ]; then
    say "$who has the state, for $minutes minutes now; try again later"
    exit 75
  fi
  say "$who claimed the state $minutes minutes ago and never gave it back: look what that job sent,"
  say "then take the file 'claimed' off the branch $branch"
  exit 2
fi
# The last word makes the commit this job's alone: two equal ones of the same second would be one, and both pushes would succeed.
echo "$(date +%s) job ${CI_JOB_ID:-${GITHUB_RUN_ID:-$(hostname)}} $(od -An -N8 -tx1 /dev/urandom | tr -d ' ')" > "$tree/claimed"
git -C "$tree" add claimed && save "claimed"
if ! push; then
  say "another job has claimed the state; try again later"
  exit 75
fi

if [ -f "$tree/newsletter-state.age" ]; then
  newsletter state open "$tree/newsletter-state.age" --replace
fi
code=0
trap 'kill -TERM "$sender" 2>/dev/null || true' INT TERM     # a job that is cancelled stops sending, and still keeps its state
newsletter send --new --yes $first "$@" &
sender=$!
wait "$sender" || code=$?
while kill -0 "$sender" 2>/dev/null; do code=0; wait "$sender" || code=$?; done
trap '' INT TERM
newsletter state seal --out "$tree/newsletter-state.age" || exit 2     # the claim stays: what was sent is in this job alone
git -C "$tree" rm --quiet --cached claimed && rm "$tree/claimed"
git -C "$tree" add newsletter-state.age && save "sent, exit code $code"
if ! push; then
  say "the state could not be pushed; keep newsletter-state.age of this job, and put it on $branch"
  exit 2
fi
exit "$code"
