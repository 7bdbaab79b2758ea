//! A job, as a client sees it.

use std::collections::BTreeMap;

use common::{
    id::{BatchId, JobId, ScheduleId},
    rules::lifecycle::JobStatus,
    schedule::SCHEDULE_TAG,
    submission::NewJob,
    view::{JobView, KindCount, Progress, WaitingFor},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::error::{ErrorShape, words};
use crate::http::links::Links;

/// The kind of task that a render's segments are.
const SEGMENT: &str = "segment";

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The job's id.
    #[schema(value_type = String, format = Uuid)]
    id: JobId,
    /// The job's kind.
    kind: String,
    /// The job's status.
    #[schema(schema_with = status_schema)]
    status: JobStatus,
    /// Progress; null once it failed or was cancelled.
    progress: Option<ProgressShape>,
    /// The result, once it succeeded; each kind has its own members. An object with an `artifact`
    /// (a hash) also has its `url`, and its `path` where the server keeps files on this machine.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// Why it failed.
    error: Option<ErrorShape>,
    /// The batch of the job.
    #[schema(value_type = Option<String>, format = Uuid)]
    batch_id: Option<BatchId>,
    /// Its place in the batch, from 0.
    batch_index: Option<u32>,
    /// The schedule that made it.
    #[schema(value_type = Option<String>, format = Uuid)]
    schedule_id: Option<ScheduleId>,
    /// The reason why it waits, while none of it runs: `slot`, `schedule`, `needs`, `worker`,
    /// `broker`, `paused`, or a limit (`limit:tenant`, `limit:kind`, `limit:provider`,
    /// `limit:batch`). `/waiting` says more.
    #[schema(value_type = Option<String>)]
    waiting_for: Option<WaitingFor>,
    /// Attempts begun, summed over all its tasks (`/tasks` shows those of each). Attempts that were
    /// released or whose worker died do not count.
    attempts: u32,
    /// 0 to 9; higher runs first.
    priority: u8,
    /// The tags it was posted with.
    tags: Vec<String>,
    /// The metadata it was posted with.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// It does not start before this.
    #[schema(value_type = Option<String>, format = DateTime)]
    run_at: Option<Timestamp>,
    /// When the first of its tasks started.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// When it became final.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// Set in the answer to a post whose job is unique, if this is the same one, made before.
    #[serde(skip_serializing_if = "Option::is_none")]
    existing: Option<bool>,
}

/// Progress of a job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Progress)]
pub struct ProgressShape {
    /// 0 to 1.
    value: f64,
    /// A word for the current stage.
    stage: Option<String>,
    /// The segments of a render.
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<SegmentsShape>,
}

/// Progress of a render's segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Segments)]
pub struct SegmentsShape {
    /// All segments.
    total: u32,
    /// Segments rendered or found in the cache.
    done: u32,
    /// Segments found in the cache.
    cached: u32,
}

impl Job {
    /// Builds it from the stored job.
    pub fn of_view(view: JobView, links: &Links) -> Self {
        let segments = view.tasks.get(SEGMENT).copied();
        let progress = progress(view.status, whole(view.progress, &view.tasks), segments);
        let mut result = view.result;
        if let Some(result) = &mut result {
            links.add_to(result);
            add_segments(result, segments);
        }
        let settled = view.status.is_final();
        Self {
            id: view.id,
            kind: view.kind,
            status: view.status,
            progress,
            result,
            error: view.error.map(ErrorShape::from),
            batch_id: view.batch.map(|(batch, _)| batch),
            batch_index: view.batch.map(|(_, index)| index),
            schedule_id: schedule(&view.tags),
            waiting_for: view.waiting_for.filter(|_| !settled),
            attempts: view.attempts,
            priority: view.priority,
            tags: view.tags,
            metadata: view.metadata,
            created_at: view.created_at,
            run_at: view.run_at,
            started_at: view.started_at,
            finished_at: view.finished_at,
            existing: None,
        }
    }

    /// The same, marked as made before the call that it answers.
    pub fn existing(self) -> Self {
        Self { existing: Some(true), ..self }
    }

    /// The result; null if the job has not succeeded.
    pub fn into_result(self) -> Value {
        self.result.unwrap_or(Value::Null)
    }

    pub fn status(&self) -> JobStatus {
        self.status
    }

    /// Builds it from a job that is being accepted.
    pub fn of_new(job: &NewJob, now: Timestamp) -> Self {
        Self {
            id: job.id,
            kind: job.kind.clone(),
            status: JobStatus::Queued,
            progress: progress(JobStatus::Queued, None, None),
            result: None,
            error: None,
            batch_id: None,
            batch_index: None,
            schedule_id: schedule(&job.tags),
            waiting_for: job.run_at.map(|_| WaitingFor::Schedule),
            attempts: 0,
            priority: job.priority.0,
            tags: job.tags.clone(),
            metadata: job.metadata.clone(),
            created_at: now,
            run_at: job.run_at,
            started_at: None,
            finished_at: None,
            existing: None,
        }
    }
}

/// The schedule that made a job, by a tag that clients cannot give.
fn schedule(tags: &[String]) -> Option<ScheduleId> {
    tags.iter().find_map(|tag| tag.strip_prefix(SCHEDULE_TAG)?.parse().ok())
}

/// A final status decides the progress by itself, so that the view cache and the store give one
/// answer for a settled job.
fn progress(
    status: JobStatus,
    reported: Option<Progress>,
    segments: Option<KindCount>,
) -> Option<ProgressShape> {
    let segments = segments.map(|count| SegmentsShape {
        total: count.total,
        done: count.settled,
        cached: count.cached,
    });
    let reported = match status {
        JobStatus::Queued => Progress::default(),
        JobStatus::Running => reported.unwrap_or_default(),
        JobStatus::Succeeded => Progress { value: 1.0, stage: None },
        JobStatus::Failed | JobStatus::Cancelled => return None,
    };
    Some(ProgressShape { value: reported.value.clamp(0.0, 1.0), stage: reported.stage, segments })
}

/// Share of everything before the last growth of a plan, since the size of the growth is not known.
const BEFORE_GROWTH: f64 = 0.1;

/// Progress of a job of many tasks, by its settled tasks alone. Running tasks are left out: several
/// attempts report side by side, each about itself only. A growing plan must not make the whole
/// look less done than before. So progress never falls.
fn whole(reported: Option<Progress>, tasks: &BTreeMap<String, KindCount>) -> Option<Progress> {
    if tasks.is_empty() {
        return reported;
    }
    let settled: f64 = tasks.values().map(|count| f64::from(count.settled)).sum();
    let total: f64 = tasks.values().map(|count| f64::from(count.total)).sum();
    let growing: Vec<&KindCount> =
        tasks.iter().filter(|(kind, _)| grows(kind)).map(|(_, count)| count).collect();
    let value = if growing.iter().any(|count| count.settled < count.total) {
        BEFORE_GROWTH * settled / (settled + 1.0)
    } else if growing.is_empty() {
        settled / total.max(1.0)
    } else {
        BEFORE_GROWTH + (1.0 - BEFORE_GROWTH) * settled / total.max(1.0)
    };
    Some(Progress { value, stage: reported.and_then(|reported| reported.stage) })
}

fn grows(kind: &str) -> bool {
    composition::kinds::ALL.iter().any(|spec| spec.name == kind && spec.grow.is_some())
}

fn add_segments(result: &mut Value, segments: Option<KindCount>) {
    if let (Value::Object(members), Some(count)) = (result, segments) {
        let rendered = count.settled.saturating_sub(count.cached);
        let segments = json!({"total": count.total, "rendered": rendered, "cached": count.cached});
        members.insert("segments".to_owned(), segments);
    }
}

fn status_schema() -> utoipa::openapi::Object {
    words("The state of the job.", JobStatus::ALL.map(JobStatus::as_str))
}

/// A page of jobs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// The `cursor` of the next page; null at the end.
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::{
        path::{Path, PathBuf},
        time::Duration,
    };

    use async_trait::async_trait;
    use axum::body::Bytes;
    use common::{
        id::Digest,
        outcome::ArtifactRef,
        port::{PortResult, artifacts::Artifacts},
    };
    use futures::stream::BoxStream;

    use super::*;

    /// A remote object store: no file has a path on this machine.
    struct RemoteArtifacts;

    #[async_trait]
    impl Artifacts for RemoteArtifacts {
        async fn put(&self, _: &Path, _: &str) -> PortResult<ArtifactRef> {
            unreachable!("shapes store nothing")
        }
        async fn size(&self, _: &Digest) -> PortResult<Option<u64>> {
            Ok(None)
        }
        async fn fetch(&self, _: &Digest, _: &Path) -> PortResult<bool> {
            Ok(false)
        }
        async fn read(
            &self,
            _: &Digest,
            _: u64,
            _: u64,
        ) -> PortResult<Option<BoxStream<'static, PortResult<Bytes>>>> {
            Ok(None)
        }
        fn path(&self, _: &Digest) -> Option<PathBuf> {
            None
        }
        async fn slice(&self, _: u8, _: Duration) -> PortResult<Vec<Digest>> {
            Ok(Vec::new())
        }
        async fn retire(&self, _: &[Digest], _: Duration) -> PortResult<u64> {
            Ok(0)
        }
        async fn delete(&self, _: &[Digest]) -> PortResult<()> {
            Ok(())
        }
        async fn check(&self) -> PortResult<()> {
            Ok(())
        }
    }

    fn render(status: JobStatus, count: KindCount, view: serde_json::Value) -> Value {
        let mut whole = json!({
            "id": JobId::new(), "tenant": "default", "kind": "render", "status": status,
            "priority": 5, "createdAt": "2026-01-01T00:00:00Z", "attempts": 1,
            "tasks": {"segment": count}, "waitingFor": "slot",
            "rank": {"version": 1, "fence": 0, "sequence": 0},
        });
        whole.as_object_mut().unwrap().extend(view.as_object().unwrap().clone());
        let view: JobView = serde_json::from_value(whole).unwrap();
        let links = Links { base: "https://spool.example", artifacts: &RemoteArtifacts };
        serde_json::to_value(Job::of_view(view, &links)).unwrap()
    }

    #[test]
    fn a_render_reports_its_segments_while_it_runs_and_in_its_result() {
        let count = KindCount { total: 5, settled: 3, cached: 1 };
        let job = render(
            JobStatus::Running,
            count,
            json!({"progress": {"value": 0.5, "stage": "segments"}}),
        );
        let segments = json!({"total": 5, "done": 3, "cached": 1});
        assert_eq!(
            job["progress"],
            json!({"value": 0.6, "stage": "segments", "segments": segments})
        );

        let count = KindCount { total: 5, settled: 5, cached: 4 };
        let hash = "cd".repeat(32);
        let job = render(
            JobStatus::Succeeded,
            count,
            json!({"result": {"artifact": hash, "duration": 4.0}}),
        );
        assert_eq!(job["result"]["segments"], json!({"total": 5, "rendered": 1, "cached": 4}));
        assert_eq!(
            job["result"]["url"],
            json!(format!("https://spool.example/v1/artifacts/{hash}"))
        );
        assert_eq!(job["result"].get("path"), None, "a remote file has no path");
    }

    #[test]
    fn progress_never_falls_while_tasks_settle_and_the_plan_grows() {
        let steps = [
            (vec![("source", 0, 2), ("render", 0, 1)], 0.9),
            (vec![("source", 1, 2), ("render", 0, 1)], 0.1),
            (vec![("source", 2, 2), ("render", 0, 1)], 0.7),
            (vec![("source", 2, 2), ("render", 1, 1), ("segment", 0, 40), ("assemble", 0, 1)], 0.2),
            (vec![("source", 2, 2), ("render", 1, 1), ("segment", 9, 40), ("assemble", 0, 1)], 0.1),
            (
                vec![("source", 2, 2), ("render", 1, 1), ("segment", 40, 40), ("assemble", 1, 1)],
                0.0,
            ),
        ];
        let values = steps.map(|(counts, reported)| {
            let count = |(kind, settled, total): (&str, u32, u32)| {
                (kind.to_owned(), KindCount { total, settled, cached: 0 })
            };
            let reported = Progress { value: reported, stage: None };
            whole(Some(reported), &counts.into_iter().map(count).collect())
                .map_or(0.0, |progress| progress.value)
        });
        assert!(values.is_sorted() && values[5] == 1.0, "{values:?}");
    }

    #[test]
    fn a_settled_job_waits_for_nothing_whatever_was_reported_last() {
        for status in JobStatus::ALL.into_iter().filter(|status| status.is_final()) {
            let reported = json!({"progress": {"value": 0.3, "stage": "late"}});
            let job = render(status, KindCount::default(), reported);
            assert_eq!(job["waitingFor"], json!(null));
            let value = &job["progress"]["value"];
            assert!(*value == json!(1.0) || job["progress"].is_null(), "{status:?}: {value}");
        }
    }
}
