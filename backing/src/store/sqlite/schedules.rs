//! Stored schedules.

use async_trait::async_trait;
use common::{
    id::{JobId, ScheduleId, TenantId},
    port::PortResult,
    schedule::CatchUp,
    store::{Course, Refusal, Schedule, Schedules},
    view::Page,
};
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow, types::Json};
use uuid::Uuid;

use super::{
    SqliteStore,
    column::{self, Columns},
    errors,
};

/// The rows of schedules, by the rest of the statement.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant, name, cron, timezone, catch_up, starts_at, ends_at, paused, job,
                 created_at, revision, next_at, last_at, last_job, refusal
             FROM schedules ",
            $rest
        )
    };
}

#[async_trait]
impl Schedules for SqliteStore {
    async fn create_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        let Schedule { course, .. } = schedule;
        let created = execute!(&self.writer,
            "INSERT INTO schedules (id, tenant, name, cron, timezone, catch_up, starts_at, ends_at,
                 paused, job, created_at, revision, next_at, last_at, last_job, refusal)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
            schedule.id.0, &schedule.tenant.0, &schedule.name, &schedule.cron, &schedule.timezone,
            schedule.catch_up.as_str(), millis(schedule.starts_at), millis(schedule.ends_at),
            schedule.paused, Json(&schedule.job), schedule.created_at.as_millisecond(),
            schedule.revision, millis(course.next_at), millis(course.last_at),
            course.last_job.map(|job| job.0), course.refusal.as_ref().map(Json))?;
        Ok(created == 1)
    }

    async fn change_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        let Schedule { course, .. } = schedule;
        let changed = execute!(&self.writer,
            "UPDATE schedules SET revision = revision + 1, name = ?, cron = ?, timezone = ?,
                 catch_up = ?, starts_at = ?, ends_at = ?, paused = ?, job = ?, next_at = ?,
                 last_at = ?, last_job = ?, refusal = ?
             WHERE id = ? AND revision = ?";
            &schedule.name, &schedule.cron, &schedule.timezone, schedule.catch_up.as_str(),
            millis(schedule.starts_at), millis(schedule.ends_at), schedule.paused,
            Json(&schedule.job), millis(course.next_at), millis(course.last_at),
            course.last_job.map(|job| job.0), course.refusal.as_ref().map(Json),
            schedule.id.0, schedule.revision)?;
        Ok(changed == 1)
    }

    async fn delete_schedule(&self, tenant: &TenantId, schedule: ScheduleId) -> PortResult<bool> {
        let deleted = execute!(&self.writer,
            "DELETE FROM schedules WHERE id = ? AND tenant = ?"; schedule.0, &tenant.0)?;
        Ok(deleted == 1)
    }

    async fn schedule(
        &self,
        tenant: &TenantId,
        schedule: ScheduleId,
    ) -> PortResult<Option<Schedule>> {
        maybe_row!(&self.readers,
            select!("WHERE id = ? AND tenant = ?"); schedule.0, &tenant.0 => read)
    }

    async fn schedules(
        &self,
        tenant: &TenantId,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Page<Schedule>> {
        let before = after.map_or(Uuid::max(), |after| after.0);
        let mut items: Vec<Schedule> = rows!(&self.readers,
            select!("WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?");
            &tenant.0, before, i64::from(most) + 1 => read)?;
        let more = items.len() > most as usize;
        items.truncate(most as usize);
        Ok(Page { next: items.last().filter(|_| more).map(|last| last.id.to_string()), items })
    }

    async fn store_time(&self) -> PortResult<Timestamp> {
        column::time(self.now())
    }

    async fn pending_schedules(
        &self,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Vec<Schedule>> {
        let after = after.map_or(Uuid::nil(), |after| after.0);
        let pending: Vec<Option<Schedule>> = rows!(&self.readers,
            select!("WHERE next_at IS NOT NULL AND id > ? ORDER BY id LIMIT ?");
            after, most => read_or_log)?;
        Ok(pending.into_iter().flatten().collect())
    }

    async fn due_schedules(&self, most: u32) -> PortResult<(Timestamp, Vec<Schedule>)> {
        let now = self.now();
        let due: Vec<Option<Schedule>> = rows!(&self.readers,
            select!("WHERE next_at <= ? ORDER BY next_at LIMIT ?"); now, most => read_or_log)?;
        Ok((column::time(now)?, due.into_iter().flatten().collect()))
    }

    async fn advance_schedule(
        &self,
        schedule: ScheduleId,
        revision: i64,
        course: &Course,
    ) -> PortResult<bool> {
        let advanced = execute!(&self.writer,
            "UPDATE schedules SET revision = revision + 1, next_at = ?, last_at = ?, last_job = ?,
                 refusal = ?
             WHERE id = ? AND revision = ?";
            millis(course.next_at), millis(course.last_at), course.last_job.map(|job| job.0),
            course.refusal.as_ref().map(Json), schedule.0, revision)?;
        Ok(advanced == 1)
    }
}

/// Logs a row that can't be read, so that the others fire.
fn read_or_log(row: SqliteRow) -> sqlx::Result<Option<Schedule>> {
    let log = |error: &_| tracing::error!(%error, "a schedule can't be read");
    Ok(read(row).map_err(errors::port).inspect_err(log).ok())
}

fn read(row: SqliteRow) -> sqlx::Result<Schedule> {
    let last_job: Option<Uuid> = row.try_get("last_job")?;
    let mut unreadable = None;
    let job = row.json_or_note("job", &mut unreadable).unwrap_or_default();
    let refusal = row.json_or_note("refusal", &mut unreadable);
    let created_at = row.time("created_at")?;
    let unreadable = unreadable.map(|error| Refusal { at: created_at, error });
    Ok(Schedule {
        id: ScheduleId(row.try_get("id")?),
        tenant: TenantId(row.try_get("tenant")?),
        name: row.try_get("name")?,
        cron: row.try_get("cron")?,
        timezone: row.try_get("timezone")?,
        catch_up: row.spelled("catch_up", CatchUp::parse)?,
        starts_at: row.maybe_time("starts_at")?,
        ends_at: row.maybe_time("ends_at")?,
        paused: row.try_get("paused")?,
        job,
        created_at,
        revision: row.try_get("revision")?,
        course: Course {
            next_at: row.maybe_time("next_at")?,
            last_at: row.maybe_time("last_at")?,
            last_job: last_job.map(JobId),
            refusal: unreadable.or(refusal),
        },
    })
}

fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_millisecond)
}
