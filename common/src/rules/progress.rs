//! Progress of a job, from its counts and from the reports of its running tasks.

use crate::view::Progress;

/// A running task of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningPart {
    pub kind: String,
    /// Its last report, if it has sent one.
    pub progress: Option<Progress>,
}

/// The progress of an open job with `settled` of `total` tasks; `None` while nothing is known.
///
/// A job of one task shows that task's report. Any other counts settled tasks as whole and running
/// ones by their reports; its stage is the kind of the first running task.
pub fn job_progress(settled: i64, total: i64, running: &[RunningPart]) -> Option<Progress> {
    let mut reports = running.iter().filter_map(|part| part.progress.as_ref());
    let Some(first) = running.first() else {
        let value = settled as f64 / total.max(1) as f64;
        return (settled > 0).then_some(Progress { value, stage: None });
    };
    if total == 1 {
        return reports.next().cloned();
    }
    let under_way: f64 = reports.map(|progress| progress.value).sum();
    let value = ((settled as f64 + under_way) / total.max(1) as f64).clamp(0.0, 1.0);
    Some(Progress { value, stage: Some(first.kind.clone()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: &str, value: Option<f64>) -> RunningPart {
        let progress = value.map(|value| Progress { value, stage: Some("frames".to_owned()) });
        RunningPart { kind: kind.to_owned(), progress }
    }

    #[test]
    fn a_job_of_one_task_shows_the_report_of_that_task() {
        let progress = job_progress(0, 1, &[part("still", Some(0.5))]).expect("a report");
        assert_eq!((progress.value, progress.stage.as_deref()), (0.5, Some("frames")));
        assert_eq!(job_progress(0, 1, &[part("still", None)]), None);
    }

    #[test]
    fn running_tasks_count_by_their_reports() {
        let running = [part("segment", Some(0.5)), part("sound", None)];
        let progress = job_progress(1, 4, &running).expect("it runs");
        assert_eq!((progress.value, progress.stage.as_deref()), (0.375, Some("segment")));
    }

    #[test]
    fn a_job_of_which_nothing_runs_counts_its_settled_tasks() {
        assert_eq!(job_progress(0, 4, &[]), None);
        assert_eq!(job_progress(1, 4, &[]), Some(Progress { value: 0.25, stage: None }));
    }
}
