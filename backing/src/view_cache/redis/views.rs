//! Views in Redis: the rank comes first, so that a script can compare ranks without reading the
//! rest.

use common::{
    id::{JobId, TenantId},
    view::{JobView, Rank},
};
use redis::{Cmd, Pipeline};

use super::{codec, names::RedisNames};
use crate::view_cache::lifetime;

/// Three numbers of 16 hex digits each.
const RANK_LEN: usize = 48;
/// Most views in one run of the script, about a millisecond: Redis does nothing else meanwhile.
const VIEWS_PER_RUN: usize = 200;
/// Most bytes in one run, for the same reason.
const BYTES_PER_RUN: usize = 1 << 20;

/// Sets each view that outranks the held one, renews an equal one, and publishes in one message
/// which were set. `KEYS` are the keys of views; `ARGV` is the channel, then for each key its value
/// and its lifetime in milliseconds.
const PUT: &str = r"
local changed = {}
for i, key in ipairs(KEYS) do
  local value, ttl = ARGV[2 * i], ARGV[2 * i + 1]
  local rank, held = string.sub(value, 1, 48), redis.call('GETRANGE', key, 0, 47)
  if held < rank then
    redis.call('SET', key, value, 'PX', ttl)
    changed[#changed + 1] = string.sub(key, -32)
  elseif held == rank then
    redis.call('PEXPIRE', key, ttl)
  end
end
if #changed > 0 then
  redis.call('PUBLISH', ARGV[1], table.concat(changed))
end
return #changed
";

/// Does for two keys what [`PUT`] does, and publishes that no view changed.
const CHECK: &str = r"
for _, key in ipairs(KEYS) do
  redis.call('GETRANGE', key, 0, 47)
  redis.call('SET', key, '', 'PX', 1000)
  redis.call('PEXPIRE', key, 1000)
end
return redis.call('PUBLISH', ARGV[1], '')
";

/// The commands that put these views; `None` if there are none.
pub(super) fn put(names: &RedisNames, views: &[JobView]) -> Option<Pipeline> {
    if views.is_empty() {
        return None;
    }
    let mut pipeline = Pipeline::new();
    let mut run = ScriptRun::default();
    let mut last_tenant: Option<(&TenantId, String)> = None;
    for view in views {
        // Most batches are of one tenant.
        if last_tenant.as_ref().is_none_or(|(tenant, _)| **tenant != view.tenant) {
            last_tenant = Some((&view.tenant, names.tenant_prefix(&view.tenant)));
        }
        let Some((_, prefix)) = &last_tenant else { continue };
        run.add(RedisNames::view(prefix, view.id), write(view), lifetime(view).as_millis());
        if run.is_full() {
            pipeline.add_command(std::mem::take(&mut run).command(names));
        }
    }
    if !run.keys.is_empty() {
        pipeline.add_command(run.command(names));
    }
    Some(pipeline)
}

/// The commands that need the same rights, and the same kind of server, as all others together.
pub(super) fn check(names: &RedisNames) -> Pipeline {
    let keys = names.checked();
    let mut pipeline = Pipeline::new();
    pipeline.cmd("EVAL").arg(CHECK).arg(keys.len()).arg(&keys).arg(names.changes());
    pipeline.cmd("MGET").arg(&keys).cmd("UNLINK").arg(&keys);
    pipeline
}

/// The command that gets the views of these jobs.
pub(super) fn get(names: &RedisNames, tenant: &TenantId, jobs: &[JobId]) -> Cmd {
    with_keys(redis::cmd("MGET"), names, tenant, jobs)
}

/// The command that forgets the views of these jobs.
pub(super) fn forget(names: &RedisNames, tenant: &TenantId, jobs: &[JobId]) -> Cmd {
    with_keys(redis::cmd("UNLINK"), names, tenant, jobs)
}

fn with_keys(mut command: Cmd, names: &RedisNames, tenant: &TenantId, jobs: &[JobId]) -> Cmd {
    let prefix = names.tenant_prefix(tenant);
    for job in jobs {
        command.arg(RedisNames::view(&prefix, *job));
    }
    command
}

/// One run of the script.
#[derive(Debug, Default)]
struct ScriptRun {
    keys: Vec<String>,
    arguments: Vec<(Vec<u8>, u128)>,
    bytes: usize,
}

impl ScriptRun {
    fn add(&mut self, key: String, value: Vec<u8>, ttl_ms: u128) {
        self.bytes += value.len();
        self.keys.push(key);
        self.arguments.push((value, ttl_ms));
    }

    fn is_full(&self) -> bool {
        self.keys.len() >= VIEWS_PER_RUN || self.bytes >= BYTES_PER_RUN
    }

    fn command(self, names: &RedisNames) -> Cmd {
        // EVAL, not EVALSHA: the script is shorter than one view, and a restarted Redis needs no
        // second try.
        let mut command = redis::cmd("EVAL");
        command.arg(PUT).arg(self.keys.len()).arg(self.keys).arg(names.changes());
        for (value, ttl_ms) in self.arguments {
            command.arg(value).arg(ttl_ms.to_string());
        }
        command
    }
}

/// Writes a view: its rank, then its JSON, packed. A view always has a JSON form; if it ever had
/// none, it would count as missing.
fn write(view: &JobView) -> Vec<u8> {
    let json = serde_json::to_vec(view).unwrap_or_default();
    codec::pack(rank(&view.rank).into_bytes(), &json)
}

/// Reads a view; `None` if this version can't read it.
pub(super) fn read(value: &[u8]) -> Option<JobView> {
    let json = codec::unpack(value.get(RANK_LEN..)?)?;
    serde_json::from_slice(&json)
        .inspect_err(|error| tracing::warn!(%error, "a view in Redis can't be read"))
        .ok()
}

/// Writes a rank so that texts sort as the numbers do: fixed width, negative below positive.
fn rank(rank: &Rank) -> String {
    let above_zero = |number: i64| number.cast_unsigned() ^ (1 << 63);
    format!(
        "{:016x}{:016x}{:016x}",
        above_zero(rank.version),
        above_zero(rank.fence),
        rank.sequence
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_sort_as_text_as_they_do_as_numbers() {
        let numbers = [i64::MIN, -1, 0, 1, 9, 10, 255, 256, i64::MAX];
        let mut ranks = Vec::new();
        for version in numbers {
            for fence in numbers {
                for sequence in [0, 1, 15, 16, u64::MAX] {
                    ranks.push(Rank { version, fence, sequence });
                }
            }
        }
        assert!(ranks.is_sorted());
        let texts: Vec<String> = ranks.iter().map(rank).collect();
        assert!(texts.is_sorted());
        assert!(texts.iter().all(|text| text.len() == RANK_LEN));
    }
}
