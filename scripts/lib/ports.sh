# shellcheck shell=bash
# Free ports. Sourced, never run.

# Reads the kernel's table: that needs no tool, and no connection that a server would log. State 0A
# is LISTEN.
listening() {
  local hex; hex=$(printf '%04X' "$1")
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port=":$hex" '
    $4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }'
}

# One free port, different from call to call, below the ephemeral range, so that no client's own
# port takes it meanwhile.
free_port() {
  local try port
  for ((try = 0; try < 200; try++)); do
    port=$((14000 + RANDOM % 6000))
    listening "$port" || { printf '%s' "$port"; return; }
  done
  die 'no free port between 14000 and 20000'
}
