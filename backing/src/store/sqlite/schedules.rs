//! Jobs that recur.

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

use super::{
    SqliteStore, column,
    fault::{port, unreadable},
};

#[derive(sqlx::FromRow)]
struct Row {
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

/// A row's columns, and the rest of the statement.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant, name, cron, timezone, catch_up, starts_at, ends_at, paused, job, created_at, revision, next_at, last_at,
                 last_job, refusal
             FROM schedules ",
            $rest
        )
    };
}

#[async_trait]
impl Schedules for SqliteStore {
    async fn create_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        let course = &schedule.course;
        let done = sqlx::query(
            "INSERT INTO schedules (id, tenant, name, cron, timezone, catch_up, starts_at, ends_at, paused, job, created_at, revision,
                 next_at, last_at, last_job, refusal)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        )
        .bind(schedule.id.0)
        .bind(&schedule.tenant.0)
        .bind(&schedule.name)
        .bind(&schedule.cron)
        .bind(&schedule.timezone)
        .bind(schedule.catch_up.as_str())
        .bind(schedule.starts_at.map(Timestamp::as_millisecond))
        .bind(schedule.ends_at.map(Timestamp::as_millisecond))
        .bind(schedule.paused)
        .bind(column::text(&schedule.job)?)
        .bind(schedule.created_at.as_millisecond())
        .bind(schedule.revision)
        .bind(course.next_at.map(Timestamp::as_millisecond))
        .bind(course.last_at.map(Timestamp::as_millisecond))
        .bind(course.last_job.map(|job| job.0))
        .bind(course.refusal.as_ref().map(column::text).transpose()?)
        .execute(&mut *self.writer.lock().await)
        .await
        .map_err(port)?;
        Ok(done.rows_affected() == 1)
    }

    async fn change_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        let course = &schedule.course;
        let done = sqlx::query(
            "UPDATE schedules SET revision = revision + 1, name = ?, cron = ?, timezone = ?, catch_up = ?, starts_at = ?, ends_at = ?,
                 paused = ?, job = ?, next_at = ?, last_at = ?, last_job = ?, refusal = ?
             WHERE id = ? AND revision = ?",
        )
        .bind(&schedule.name)
        .bind(&schedule.cron)
        .bind(&schedule.timezone)
        .bind(schedule.catch_up.as_str())
        .bind(schedule.starts_at.map(Timestamp::as_millisecond))
        .bind(schedule.ends_at.map(Timestamp::as_millisecond))
        .bind(schedule.paused)
        .bind(column::text(&schedule.job)?)
        .bind(course.next_at.map(Timestamp::as_millisecond))
        .bind(course.last_at.map(Timestamp::as_millisecond))
        .bind(course.last_job.map(|job| job.0))
        .bind(course.refusal.as_ref().map(column::text).transpose()?)
        .bind(schedule.id.0)
        .bind(schedule.revision)
        .execute(&mut *self.writer.lock().await)
        .await
        .map_err(port)?;
        Ok(done.rows_affected() == 1)
    }

    async fn delete_schedule(&self, tenant: &TenantId, schedule: ScheduleId) -> PortResult<bool> {
        let done = sqlx::query("DELETE FROM schedules WHERE id = ? AND tenant = ?")
            .bind(schedule.0)
            .bind(&tenant.0)
            .execute(&mut *self.writer.lock().await)
            .await
            .map_err(port)?;
        Ok(done.rows_affected() == 1)
    }

    async fn schedule(
        &self,
        tenant: &TenantId,
        schedule: ScheduleId,
    ) -> PortResult<Option<Schedule>> {
        let row: Option<Row> = sqlx::query_as(select!("WHERE id = ? AND tenant = ?"))
            .bind(schedule.0)
            .bind(&tenant.0)
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(port)?;
        row.map(read).transpose()
    }

    async fn schedules(
        &self,
        tenant: &TenantId,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Page<Schedule>> {
        let rows: Vec<Row> =
            sqlx::query_as(select!("WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?"))
                .bind(&tenant.0)
                .bind(after.map_or(Uuid::max(), |after| after.0))
                .bind(i64::from(most) + 1)
                .fetch_all(&mut *self.reader().await?)
                .await
                .map_err(port)?;
        let more = rows.len() > most as usize;
        let items: Vec<Schedule> =
            rows.into_iter().take(most as usize).map(read).collect::<PortResult<_>>()?;
        Ok(Page { next: items.last().filter(|_| more).map(|last| last.id.to_string()), items })
    }

    async fn due_schedules(&self, most: u32) -> PortResult<(Timestamp, Vec<Schedule>)> {
        let now = self.now();
        let rows: Vec<Row> = sqlx::query_as(select!("WHERE next_at <= ? ORDER BY next_at LIMIT ?"))
            .bind(now)
            .bind(most)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(port)?;
        Ok((
            column::time("now", now)?,
            rows.into_iter().filter_map(|row| or_log(read(row))).collect(),
        ))
    }

    async fn advance_schedule(
        &self,
        schedule: ScheduleId,
        revision: i64,
        course: &Course,
    ) -> PortResult<bool> {
        let done = sqlx::query(
            "UPDATE schedules SET revision = revision + 1, next_at = ?, last_at = ?, last_job = ?, refusal = ?
             WHERE id = ? AND revision = ?",
        )
        .bind(course.next_at.map(Timestamp::as_millisecond))
        .bind(course.last_at.map(Timestamp::as_millisecond))
        .bind(course.last_job.map(|job| job.0))
        .bind(course.refusal.as_ref().map(column::text).transpose()?)
        .bind(schedule.0)
        .bind(revision)
        .execute(&mut *self.writer.lock().await)
        .await
        .map_err(port)?;
        Ok(done.rows_affected() == 1)
    }
}

fn read(row: Row) -> PortResult<Schedule> {
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

/// A row that can't be read keeps none of the others from firing.
fn or_log(schedule: PortResult<Schedule>) -> Option<Schedule> {
    schedule.inspect_err(|error| tracing::error!(%error, "a schedule can't be read")).ok()
}
