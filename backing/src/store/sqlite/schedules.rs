//! Stored schedules.

use async_trait::async_trait;
use common::{
    id::{JobId, ScheduleId, TenantId},
    port::PortResult,
    schedule::CatchUp,
    store::{Course, Schedule, Schedules},
    view::Page,
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{SqliteStore, column, errors::unreadable};

#[derive(sqlx::FromRow)]
struct ScheduleRow {
    id: Uuid,
    tenant: String,
    name: Option<String>,
    cron: String,
    timezone: String,
    catch_up: String,
    starts_at: Option<i64>,
    ends_at: Option<i64>,
    paused: bool,
    job: String,
    created_at: i64,
    revision: i64,
    next_at: Option<i64>,
    last_at: Option<i64>,
    last_job: Option<Uuid>,
    refusal: Option<String>,
}

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

fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_millisecond)
}

#[async_trait]
impl Schedules for SqliteStore {
    async fn create_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        let Schedule { course, .. } = schedule;
        let created = execute!(&mut *self.writer.lock().await,
            "INSERT INTO schedules (id, tenant, name, cron, timezone, catch_up, starts_at, ends_at,
                 paused, job, created_at, revision, next_at, last_at, last_job, refusal)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
            schedule.id.0, &schedule.tenant.0, &schedule.name, &schedule.cron, &schedule.timezone,
            schedule.catch_up.as_str(), millis(schedule.starts_at), millis(schedule.ends_at),
            schedule.paused, column::text(&schedule.job)?, schedule.created_at.as_millisecond(),
            schedule.revision, millis(course.next_at), millis(course.last_at),
            course.last_job.map(|job| job.0), column::maybe_text(course.refusal.as_ref())?)?;
        Ok(created == 1)
    }

    async fn change_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        let Schedule { course, .. } = schedule;
        let changed = execute!(&mut *self.writer.lock().await,
            "UPDATE schedules SET revision = revision + 1, name = ?, cron = ?, timezone = ?,
                 catch_up = ?, starts_at = ?, ends_at = ?, paused = ?, job = ?, next_at = ?,
                 last_at = ?, last_job = ?, refusal = ?
             WHERE id = ? AND revision = ?";
            &schedule.name, &schedule.cron, &schedule.timezone, schedule.catch_up.as_str(),
            millis(schedule.starts_at), millis(schedule.ends_at), schedule.paused,
            column::text(&schedule.job)?, millis(course.next_at), millis(course.last_at),
            course.last_job.map(|job| job.0), column::maybe_text(course.refusal.as_ref())?,
            schedule.id.0, schedule.revision)?;
        Ok(changed == 1)
    }

    async fn delete_schedule(&self, tenant: &TenantId, schedule: ScheduleId) -> PortResult<bool> {
        let deleted = execute!(&mut *self.writer.lock().await,
            "DELETE FROM schedules WHERE id = ? AND tenant = ?"; schedule.0, &tenant.0)?;
        Ok(deleted == 1)
    }

    async fn schedule(
        &self,
        tenant: &TenantId,
        schedule: ScheduleId,
    ) -> PortResult<Option<Schedule>> {
        let row: Option<ScheduleRow> = maybe_row!(&mut *self.reader().await?,
            select!("WHERE id = ? AND tenant = ?"); schedule.0, &tenant.0)?;
        row.map(read).transpose()
    }

    async fn schedules(
        &self,
        tenant: &TenantId,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Page<Schedule>> {
        let before = after.map_or(Uuid::max(), |after| after.0);
        let rows: Vec<ScheduleRow> = rows!(&mut *self.reader().await?,
            select!("WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?");
            &tenant.0, before, i64::from(most) + 1)?;
        let more = rows.len() > most as usize;
        let items: Vec<Schedule> =
            rows.into_iter().take(most as usize).map(read).collect::<PortResult<_>>()?;
        Ok(Page { next: items.last().filter(|_| more).map(|last| last.id.to_string()), items })
    }

    async fn due_schedules(&self, most: u32) -> PortResult<(Timestamp, Vec<Schedule>)> {
        let now = self.now();
        let rows: Vec<ScheduleRow> = rows!(&mut *self.reader().await?,
            select!("WHERE next_at <= ? ORDER BY next_at LIMIT ?"); now, most)?;
        let due = rows.into_iter().filter_map(|row| or_log(read(row))).collect();
        Ok((column::time("now", now)?, due))
    }

    async fn advance_schedule(
        &self,
        schedule: ScheduleId,
        revision: i64,
        course: &Course,
    ) -> PortResult<bool> {
        let advanced = execute!(&mut *self.writer.lock().await,
            "UPDATE schedules SET revision = revision + 1, next_at = ?, last_at = ?, last_job = ?,
                 refusal = ?
             WHERE id = ? AND revision = ?";
            millis(course.next_at), millis(course.last_at), course.last_job.map(|job| job.0),
            column::maybe_text(course.refusal.as_ref())?, schedule.0, revision)?;
        Ok(advanced == 1)
    }
}

fn read(row: ScheduleRow) -> PortResult<Schedule> {
    Ok(Schedule {
        id: ScheduleId(row.id),
        tenant: TenantId(row.tenant),
        name: row.name,
        cron: row.cron,
        timezone: row.timezone,
        catch_up: CatchUp::parse(&row.catch_up)
            .ok_or_else(|| unreadable("schedules.catch_up", &row.catch_up))?,
        starts_at: column::maybe_time("schedules.starts_at", row.starts_at)?,
        ends_at: column::maybe_time("schedules.ends_at", row.ends_at)?,
        paused: row.paused,
        job: column::json("schedules.job", &row.job)?,
        created_at: column::time("schedules.created_at", row.created_at)?,
        revision: row.revision,
        course: Course {
            next_at: column::maybe_time("schedules.next_at", row.next_at)?,
            last_at: column::maybe_time("schedules.last_at", row.last_at)?,
            last_job: row.last_job.map(JobId),
            refusal: column::maybe_json("schedules.refusal", row.refusal.as_deref())?,
        },
    })
}

/// Logs a row that can't be read, so that it keeps no other schedule from firing.
fn or_log(schedule: PortResult<Schedule>) -> Option<Schedule> {
    schedule.inspect_err(|error| tracing::error!(%error, "a schedule can't be read")).ok()
}
