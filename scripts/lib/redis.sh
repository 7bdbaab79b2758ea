# shellcheck shell=bash disable=SC2153
# A private Redis.

redis_home() { printf '%s/redis' "$DIR"; }
redis_log() { printf '%s/redis/log' "$DIR"; }
redis_pids() { pids_named_in redis-server "$(redis_home)"; }
redis_main_pid() { redis_pids | sed -n 1p; }
redis_url() { printf 'redis://127.0.0.1:%s/0' "$REDIS_PORT"; }
redis_stop_signal() { printf TERM; }

redis_ready() { [ -n "$REDIS_PORT" ] && [ -n "$(redis_pids)" ] && answers "$REDIS_PORT" 'PING\r\n'; }

redis_start() {
  have redis-server || die 'Redis is not installed: run scripts/setup services'
  mkdir -p "$(redis_home)"
  # Bounded, and evicting: everything in Redis may be lost, so the tests run on a Redis that loses
  # things.
  env -i "PATH=$PATH" LC_ALL=C.UTF-8 redis-server \
    --bind 127.0.0.1 --port "$REDIS_PORT" --dir "$(redis_home)" --logfile "$(redis_log)" \
    --appendonly yes --appendfsync everysec --save '' \
    --maxmemory 256mb --maxmemory-policy allkeys-lru --daemonize yes </dev/null >/dev/null 9>&- || return 1
  wait_until 30 redis_ready
}
