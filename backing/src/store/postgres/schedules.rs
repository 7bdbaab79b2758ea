//! Recurring jobs, in `spool.schedules`.

use async_trait::async_trait;
use common::{
    id::{JobId, ScheduleId, TenantId},
    port::PortResult,
    schedule::CatchUp,
    store::{Course, Refusal, Schedule, Schedules},
    view::Page,
};
use jiff::Timestamp;
use sqlx::{Postgres, postgres::PgRow, query::Query};
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells},
    errors::unreadable,
};

/// Selects a row's cells in the order in which [`read`] takes them; the parameter ends the
/// statement.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.tenant, s.name, s.cron, s.timezone, s.catch_up, s.starts_at, s.ends_at,
                 s.paused, s.job, s.created_at, s.revision, s.next_at, s.last_at, s.last_job,
                 s.refusal
             FROM spool.schedules s ",
            $rest
        )
    };
}

#[async_trait]
impl Schedules for PgStore {
    async fn create_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        let query = sqlx::query(
            "INSERT INTO spool.schedules (id, revision, name, cron, timezone, catch_up, starts_at,
                 ends_at, paused, job, next_at, last_at, last_job, refusal, tenant, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
             ON CONFLICT (id) DO NOTHING",
        );
        let query = bind(query, schedule)?
            .bind(schedule.tenant.0.clone())
            .bind(schedule.created_at.as_millisecond());
        Ok(self.work(query.execute(&self.work)).await?.rows_affected() == 1)
    }

    async fn change_schedule(&self, schedule: &Schedule) -> PortResult<bool> {
        let query = sqlx::query(
            "UPDATE spool.schedules SET revision = revision + 1, name = $3, cron = $4,
                 timezone = $5, catch_up = $6, starts_at = $7, ends_at = $8, paused = $9, job = $10,
                 next_at = $11, last_at = $12, last_job = $13, refusal = $14
             WHERE id = $1 AND revision = $2",
        );
        let query = bind(query, schedule)?;
        Ok(self.work(query.execute(&self.work)).await?.rows_affected() == 1)
    }

    async fn delete_schedule(&self, tenant: &TenantId, schedule: ScheduleId) -> PortResult<bool> {
        let query = sqlx::query("DELETE FROM spool.schedules WHERE id = $1 AND tenant = $2");
        let query = query.bind(schedule.0).bind(tenant.0.clone());
        Ok(self.work(query.execute(&self.work)).await?.rows_affected() == 1)
    }

    async fn schedule(
        &self,
        tenant: &TenantId,
        schedule: ScheduleId,
    ) -> PortResult<Option<Schedule>> {
        let query = sqlx::query(select!("WHERE s.id = $1 AND s.tenant = $2"))
            .bind(schedule.0)
            .bind(tenant.0.clone());
        self.work(query.fetch_optional(&self.work)).await?.as_ref().map(read).transpose()
    }

    async fn schedules(
        &self,
        tenant: &TenantId,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Page<Schedule>> {
        let query =
            sqlx::query(select!("WHERE s.tenant = $1 AND s.id < $2 ORDER BY s.id DESC LIMIT $3"))
                .bind(tenant.0.clone())
                .bind(after.map_or(Uuid::max(), |after| after.0))
                .bind(i64::from(most) + 1);
        let rows = self.work(query.fetch_all(&self.work)).await?;
        let mut items = rows.iter().map(read).collect::<PortResult<Vec<_>>>()?;
        let more = items.len() > most as usize;
        items.truncate(most as usize);
        Ok(Page { next: items.last().filter(|_| more).map(|last| last.id.to_string()), items })
    }

    async fn store_time(&self) -> PortResult<Timestamp> {
        let row = self.work(sqlx::query("SELECT spool.now_ms()").fetch_one(&self.work)).await?;
        Cells::of(&row).time("now")
    }

    async fn pending_schedules(
        &self,
        after: Option<ScheduleId>,
        most: u32,
    ) -> PortResult<Vec<Schedule>> {
        let query = sqlx::query(select!(
            "WHERE s.next_at IS NOT NULL AND s.id > $1 ORDER BY s.id LIMIT $2"
        ))
        .bind(after.map_or(Uuid::nil(), |after| after.0))
        .bind(i64::from(most));
        let rows = self.work(query.fetch_all(&self.work)).await?;
        Ok(rows.iter().filter_map(|row| or_log(read(row))).collect())
    }

    async fn due_schedules(&self, most: u32) -> PortResult<(Timestamp, Vec<Schedule>)> {
        let now = self.store_time().await?;
        let query = sqlx::query(select!("WHERE s.next_at <= $1 ORDER BY s.next_at LIMIT $2"))
            .bind(now.as_millisecond())
            .bind(i64::from(most));
        let rows = self.work(query.fetch_all(&self.work)).await?;
        Ok((now, rows.iter().filter_map(|row| or_log(read(row))).collect()))
    }

    async fn advance_schedule(
        &self,
        schedule: ScheduleId,
        revision: i64,
        course: &Course,
    ) -> PortResult<bool> {
        let query = sqlx::query(
            "UPDATE spool.schedules SET revision = revision + 1, next_at = $3, last_at = $4,
                 last_job = $5, refusal = $6
             WHERE id = $1 AND revision = $2",
        )
        .bind(schedule.0)
        .bind(revision);
        let query = bind_course(query, course)?;
        Ok(self.work(query.execute(&self.work)).await?.rows_affected() == 1)
    }
}

type Statement<'q> = Query<'q, Postgres, sqlx::postgres::PgArguments>;

/// Binds `$1` to `$14`: id, revision, and every column that may change.
fn bind<'q>(query: Statement<'q>, schedule: &Schedule) -> PortResult<Statement<'q>> {
    let query = query
        .bind(schedule.id.0)
        .bind(schedule.revision)
        .bind(schedule.name.clone())
        .bind(schedule.cron.clone())
        .bind(schedule.timezone.clone())
        .bind(schedule.catch_up.as_str())
        .bind(schedule.starts_at.map(Timestamp::as_millisecond))
        .bind(schedule.ends_at.map(Timestamp::as_millisecond))
        .bind(schedule.paused)
        .bind(column::text(&schedule.job)?);
    bind_course(query, &schedule.course)
}

fn bind_course<'q>(query: Statement<'q>, course: &Course) -> PortResult<Statement<'q>> {
    Ok(query
        .bind(course.next_at.map(Timestamp::as_millisecond))
        .bind(course.last_at.map(Timestamp::as_millisecond))
        .bind(course.last_job.map(|job| job.0))
        .bind(course.refusal.as_ref().map(column::text).transpose()?))
}

fn read(row: &PgRow) -> PortResult<Schedule> {
    let mut cells = Cells::of(row);
    let (id, tenant) = (ScheduleId(cells.take()?), TenantId(cells.take()?));
    let (name, cron, timezone) = (cells.take()?, cells.take()?, cells.take()?);
    let catch_up: &str = cells.take()?;
    let mut schedule = Schedule {
        id,
        tenant,
        name,
        cron,
        timezone,
        catch_up: CatchUp::parse(catch_up)
            .ok_or_else(|| unreadable("schedules.catch_up", catch_up))?,
        starts_at: cells.maybe_time("schedules.starts_at")?,
        ends_at: cells.maybe_time("schedules.ends_at")?,
        paused: cells.take()?,
        job: cells.json("schedules.job")?.unwrap_or_default(),
        created_at: cells.time("schedules.created_at")?,
        revision: cells.take()?,
        course: Course {
            next_at: cells.maybe_time("schedules.next_at")?,
            last_at: cells.maybe_time("schedules.last_at")?,
            last_job: cells.take::<Option<Uuid>>()?.map(JobId),
            refusal: cells.json("schedules.refusal")?,
        },
    };
    if let Some(error) = cells.take_unreadable() {
        schedule.course.refusal = Some(Refusal { at: schedule.created_at, error });
    }
    Ok(schedule)
}

/// Logs a row that can't be read, so that the others fire.
fn or_log(schedule: PortResult<Schedule>) -> Option<Schedule> {
    schedule.inspect_err(|error| tracing::error!(%error, "a schedule can't be read")).ok()
}
