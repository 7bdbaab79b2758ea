//! Recurrence: a cron line read in a time zone gives the due times of a schedule.
//!
//! The line has five fields (minute, hour, day of the month, month, day of the week), read as Vixie
//! cron does: if both days are restricted, either may match. `croner` also follows Vixie cron's
//! rules for the jumps of daylight saving time. In the hour that is skipped, a line that names hour
//! and minute fires once, right after the jump; one with `*` or a step in either does not fire. In
//! the hour that comes twice, the former fires the first time, the latter both times.
//!
//! The rules of the time zones are compiled in, not read from the machine, so that all machines of
//! a fleet agree.

use croner::{
    Cron,
    errors::CronError,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    fault::Fault,
    limits::{MAX_CATCH_UP, MAX_CRON_BYTES, MISSED_AFTER},
};

/// The beginning of the tag that marks a schedule's jobs; the schedule's id follows. With it a
/// schedule's jobs can be listed.
pub const SCHEDULE_TAG: &str = "schedule:";

/// The treatment of firings that were missed because no sweeper ran. The spelling is stored and
/// never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// None of them is made up for.
    #[default]
    Skip,
    /// The latest of them is made up for.
    Latest,
    /// Each of them is made up for, up to the latest [`MAX_CATCH_UP`].
    All,
}

impl CatchUp {
    /// All values, from the fewest firings to the most.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Latest, Self::All];

    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Latest => "latest",
            Self::All => "all",
        }
    }

    /// Reads the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|catch_up| catch_up.as_str() == text)
    }
}

/// The due times of a schedule.
#[derive(Debug, Clone)]
pub struct Recurrence {
    cron: Cron,
    zone: TimeZone,
    starts: Option<Timestamp>,
    ends: Option<Timestamp>,
}

/// The firings of a schedule that are due now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The times to fire for, oldest first.
    pub fire: Vec<Timestamp>,
    /// The next due time; `None` if there is none.
    pub next: Option<Timestamp>,
}

impl Recurrence {
    /// Reads a cron line and the name of a time zone. Faults point to `/cron` and `/timezone`.
    pub fn read(cron: &str, timezone: &str) -> Result<Self, Vec<Fault>> {
        let zone = TimeZone::get(timezone).map_err(|_| {
            let detail = format!(
                "`{}` is not a time zone: give a name of the IANA database such as \
                 `Europe/Berlin` or `UTC`",
                crop(timezone)
            );
            Fault::new("/timezone", detail)
        });
        match (read_cron(cron), zone) {
            (Ok(cron), Ok(zone)) => Ok(Self { cron, zone, starts: None, ends: None }),
            (cron, zone) => Err(cron.err().into_iter().chain(zone.err()).collect()),
        }
    }

    /// Limits the due times to those between two times, both included.
    pub fn between(self, starts: Option<Timestamp>, ends: Option<Timestamp>) -> Self {
        Self { starts, ends, ..self }
    }

    /// The first due time after `time`, if there is one.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let (from, inclusive) = match self.starts {
            Some(starts) if starts > time => (starts, true),
            _ => (time, false),
        };
        let found = self
            .cron
            .find_next_occurrence(&from.to_zoned(self.zone.clone()), inclusive)
            .ok()?
            .timestamp();
        self.ends.is_none_or(|ends| found <= ends).then_some(found)
    }

    /// The firings at `now`. `next` is the earliest due time that was not handled yet.
    pub fn due(&self, next: Timestamp, now: Timestamp, catch_up: CatchUp) -> Due {
        if next > now {
            return Due { fire: Vec::new(), next: Some(next) };
        }
        let in_time = now - MISSED_AFTER;
        let missed = match catch_up {
            CatchUp::Skip => Vec::new(),
            CatchUp::Latest => self.latest(next, in_time, 1),
            CatchUp::All => self.latest(next, in_time, MAX_CATCH_UP),
        };
        let mut fire = missed;
        let mut time = if next >= in_time { Some(next) } else { self.after(in_time - NANOSECOND) };
        while let Some(due) = time.filter(|due| *due <= now) {
            fire.push(due);
            time = self.after(due);
        }
        Due { fire, next: time }
    }

    /// The latest `most` due times from `first` (itself a due time) up to, but not including,
    /// `end`, oldest first.
    ///
    /// It searches a span before `end` that doubles until it holds enough, so that a long absence
    /// costs little.
    fn latest(&self, first: Timestamp, end: Timestamp, most: usize) -> Vec<Timestamp> {
        if first >= end {
            return Vec::new();
        }
        let mut span = MISSED_AFTER;
        loop {
            let from = end.checked_sub(span).map_or(first, |from| from.max(first));
            let just_before = from - NANOSECOND;
            let mut found: Vec<Timestamp> =
                std::iter::successors(self.after(just_before), |due| self.after(*due))
                    .take_while(|due| *due < end)
                    .collect();
            if found.len() >= most || from == first {
                return found.split_off(found.len().saturating_sub(most));
            }
            span *= 2;
        }
    }
}

/// Due times are whole seconds, so a search from a nanosecond before one finds it.
const NANOSECOND: std::time::Duration = std::time::Duration::from_nanos(1);

fn read_cron(text: &str) -> Result<Cron, Fault> {
    let fault = |why: &str| {
        let detail = format!(
            "`{}` is not a cron line: {why}; give minute, hour, day of the month, month and day of \
             the week, such as `30 9 * * MON-FRI`",
            crop(text)
        );
        Fault::new("/cron", detail)
    };
    if text.len() > MAX_CRON_BYTES {
        return Err(fault(&format!("it is longer than {MAX_CRON_BYTES} bytes")));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|error| match error {
        CronError::EmptyPattern => fault("it is empty"),
        CronError::InvalidPattern(_) => fault("it does not have five fields"),
        CronError::IllegalCharacters(why) | CronError::ComponentError(why) => {
            fault(why.trim_end_matches('.'))
        }
        other => fault(&other.to_string()),
    })?;
    match cron.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), false) {
        Ok(_) => Ok(cron),
        Err(_) => Err(fault("no such day exists")),
    }
}

fn crop(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn every(cron: &str, zone: &str) -> Recurrence {
        Recurrence::read(cron, zone).expect("a recurrence")
    }

    fn firings(recurrence: &Recurrence, after: &str, until: &str) -> Vec<String> {
        let times =
            std::iter::successors(recurrence.after(at(after)), |due| recurrence.after(*due));
        times.take_while(|due| *due <= at(until)).map(|due| due.to_string()).collect()
    }

    #[test]
    fn a_skipped_time_fires_right_after_the_jump_and_a_skipped_interval_does_not() {
        // Berlin, 2026-03-29: at 02:00, which is 01:00 UTC, clocks go to 03:00.
        let night = |cron| {
            firings(&every(cron, "Europe/Berlin"), "2026-03-28T22:59:00Z", "2026-03-29T02:10:00Z")
        };
        assert_eq!(night("30 2 * * *"), ["2026-03-29T01:00:00Z"]);
        assert_eq!(night("*/30 2 * * *"), [] as [&str; 0]);
        assert_eq!(
            night("0 * * * *"),
            [
                "2026-03-28T23:00:00Z",
                "2026-03-29T00:00:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-29T02:00:00Z"
            ]
        );
    }

    #[test]
    fn a_repeated_time_fires_once_and_a_repeated_interval_twice() {
        // Berlin, 2026-10-25: at 03:00, which is 01:00 UTC, clocks go back to 02:00.
        let night = |cron| {
            firings(&every(cron, "Europe/Berlin"), "2026-10-24T22:00:00Z", "2026-10-25T03:00:00Z")
        };
        assert_eq!(night("30 2 * * *"), ["2026-10-25T00:30:00Z"]);
        assert_eq!(night("*/30 2 * * *").len(), 4);
    }

    #[test]
    fn faults_name_the_value_and_say_what_to_do() {
        let cases = [
            ("61 * * * *", "UTC", vec!["/cron"]),
            ("* * * *", "UTC", vec!["/cron"]),
            ("0 * * * * *", "UTC", vec!["/cron"]),
            ("", "UTC", vec!["/cron"]),
            ("0 0 30 2 *", "UTC", vec!["/cron"]),
            ("0 0 * * FOO", "Mars/Olympus", vec!["/cron", "/timezone"]),
            ("0 0 * * *", "", vec!["/timezone"]),
            ("0 0 * * *", "local", vec!["/timezone"]),
        ];
        for (cron, zone, pointers) in cases {
            let faults = Recurrence::read(cron, zone).expect_err(cron);
            assert_eq!(
                faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(),
                pointers,
                "{cron}"
            );
            assert!(
                faults.iter().all(|fault| {
                    fault.detail.contains("; give") || fault.detail.contains(": give")
                }),
                "{faults:?}"
            );
        }
        assert!(Recurrence::read("@daily", "europe/berlin").is_ok());
    }

    #[test]
    fn both_bounds_are_inclusive() {
        let bounded = every("0 * * * *", "UTC")
            .between(Some(at("2026-01-01T10:00:00Z")), Some(at("2026-01-01T12:00:00Z")));
        assert_eq!(
            firings(&bounded, "2025-06-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ["2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z"]
        );
    }

    #[test]
    fn missed_firings_follow_catch_up_and_firings_in_time_always_fire() {
        let hourly = every("0 * * * *", "UTC");
        let (next, now) = (at("2026-01-01T01:00:00Z"), at("2026-01-10T04:00:20Z"));
        let due = |catch_up| hourly.due(next, now, catch_up);
        let then = Some(at("2026-01-10T05:00:00Z"));
        assert_eq!(due(CatchUp::Skip), Due { fire: vec![at("2026-01-10T04:00:00Z")], next: then });
        let latest = vec![at("2026-01-10T03:00:00Z"), at("2026-01-10T04:00:00Z")];
        assert_eq!(due(CatchUp::Latest), Due { fire: latest, next: then });
        let all = due(CatchUp::All);
        assert_eq!(
            (all.fire.len(), all.next),
            (MAX_CATCH_UP + 1, then),
            "nine days are more than the bound"
        );
        assert_eq!(all.fire[0], at("2026-01-06T00:00:00Z"));
        assert!(all.fire.is_sorted_by(|a, b| a < b));
        let short = hourly.due(at("2026-01-10T01:00:00Z"), now, CatchUp::All);
        assert_eq!(short.fire.len(), 4, "fewer than the bound are all made up for");
        assert_eq!(
            hourly.due(at("2026-01-10T05:00:00Z"), now, CatchUp::All),
            Due { fire: vec![], next: then }
        );
    }

    #[test]
    fn years_of_missed_minutes_are_not_enumerated() {
        let minutely = every("* * * * *", "America/New_York");
        let due =
            minutely.due(at("1990-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"), CatchUp::All);
        assert_eq!(due.fire.len(), MAX_CATCH_UP + 2, "the last minute's two are in time");
    }

    #[test]
    fn a_schedule_that_has_ended_is_never_due_again() {
        let ended = every("0 0 * * *", "UTC").between(None, Some(at("2026-01-02T00:00:00Z")));
        let due = ended.due(at("2026-01-02T00:00:00Z"), at("2026-01-02T00:00:01Z"), CatchUp::Skip);
        assert_eq!(due, Due { fire: vec![at("2026-01-02T00:00:00Z")], next: None });
    }
}
