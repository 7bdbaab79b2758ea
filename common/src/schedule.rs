//! Recurrence: a cron line read in a time zone gives the due times of a schedule.
//!
//! The rules of the time zones are compiled in, not read from the machine, so that all machines of
//! a fleet agree.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    cron::CronLine,
    fault::Fault,
    limits::{MAX_CATCH_UP, MISSED_AFTER},
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
    cron: CronLine,
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
        let cron = CronLine::read(cron).map_err(|why| {
            let detail = format!(
                "`{}` is not a cron line: {why}; give minute, hour, day of the month, month and \
                 day of the week, such as `30 9 * * MON-FRI`",
                crop(cron)
            );
            Fault::new("/cron", detail)
        });
        match (cron, zone) {
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
        let from = match self.starts {
            Some(starts) if starts > time => starts.checked_sub(NANOSECOND).ok()?,
            _ => time,
        };
        let found = self.cron.after(from, &self.zone)?;
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
    fn a_day_field_that_begins_with_a_star_restricts_the_other() {
        let march = |cron| {
            let times =
                firings(&every(cron, "UTC"), "2027-02-28T23:59:59Z", "2027-03-31T23:59:59Z");
            times.iter().map(|time| time[8..10].to_owned()).collect::<Vec<_>>().join(" ")
        };
        let cases = [
            ("0 0 */2 * MON", "01 15 29"),
            ("0 0 ? * MON", "01 08 15 22 29"),
            ("30 18 21-31 * */6", "21 27 28"),
            ("0 0 1,15 * FRI", "01 05 12 15 19 26"),
            ("0 0 * * MON", "01 08 15 22 29"),
            ("0 0 13 * *", "13"),
            ("0 0 L * *", "31"),
            ("0 0 * * FRI#2", "12"),
            ("0 0 * * 5L", "26"),
            ("0 0 6W * *", "05"),
        ];
        for (cron, days) in cases {
            assert_eq!(march(cron), days, "{cron}");
        }
    }

    #[test]
    fn fixed_times_fire_once_where_a_clock_jumps_and_intervals_follow_it() {
        // New York goes from 02:00 to 03:00 on 14 March at 07:00 UTC, and from 02:00 to 01:00 on
        // 7 November at 06:00 UTC. Lord Howe moves by half an hour, Havana jumps at midnight.
        let (spring, autumn) = ("2027-03-14T05:00:00Z", "2027-11-07T03:30:00Z");
        let cases = [
            ("30 2 * * *", "America/New_York", spring, "07:00"),
            ("0,30 2 * * *", "America/New_York", spring, "07:00"),
            ("0 1-3 * * *", "America/New_York", spring, "06:00 07:00"),
            ("*/30 2 * * *", "America/New_York", spring, ""),
            ("0-30/15 2 * * *", "America/New_York", spring, ""),
            ("0 * * * *", "America/New_York", spring, "06:00 07:00 08:00 09:00 10:00 11:00 12:00"),
            ("30 1 * * *", "America/New_York", autumn, "05:30"),
            ("0 0-3 * * *", "America/New_York", autumn, "04:00 05:00 07:00 08:00"),
            ("*/30 1 * * *", "America/New_York", autumn, "05:00 05:30 06:00 06:30"),
            ("0 */2 * * *", "America/New_York", autumn, "04:00 07:00 09:00"),
            ("45 1 * * *", "Australia/Lord_Howe", "2027-04-03T12:00:00Z", "14:45"),
            ("15 2 * * *", "Australia/Lord_Howe", "2027-10-02T12:00:00Z", "15:30"),
            ("0 0 14 3 *", "America/Havana", spring, ""),
            ("0 0 14 3 *", "America/Havana", "2027-03-14T04:00:00Z", "05:00"),
            ("@daily", "America/Havana", autumn, "04:00"),
            ("30 1 * * *", "Antarctica/Troll", "2027-03-28T00:00:00Z", "01:00"),
        ];
        for (cron, zone, from, times) in cases {
            let from = at(from);
            let until = from + std::time::Duration::from_secs(7 * 3600);
            let found = firings(&every(cron, zone), &from.to_string(), &until.to_string());
            let found: Vec<_> = found.iter().map(|time| &time[11..16]).collect();
            assert_eq!(found.join(" "), times, "{cron} {zone}");
        }
    }

    #[test]
    fn a_start_at_the_very_jump_includes_the_skipped_time() {
        let jump = at("2027-03-14T07:00:00Z");
        let nightly = every("30 2 * * *", "America/New_York").between(Some(jump), None);
        assert_eq!(nightly.after(at("2027-01-01T00:00:00Z")), Some(jump));
    }

    #[test]
    fn a_line_that_cron_would_not_read_is_refused() {
        let refused = [
            "1,,2 * * * *",
            ",1 * * * *",
            "1, * * * *",
            "*/61 * * * *",
            "5-10/99 * * * *",
            "*/0 * * * *",
            "5/10 * * * *",
            "10-5 * * * *",
            "+5 * * * *",
            "60 * * * *",
            "1-60 * * * *",
            "* 24 * * *",
            "* */25 * * *",
            "* * 0 * *",
            "* * * 1JAN *",
            "* * * 13 *",
            "* * * MON *",
            "* * * * 8",
            "* * * * */8",
            "* * * * MONDAY",
            "* * * * JAN",
            "* * * * +MON",
            "* * * * 1#6",
            "* * W * *",
            "? * * * *",
            "1--2 * * * *",
            "*-5 * * * *",
            "1-2-3 * * * *",
            "*/5/5 * * * *",
            "@reboot",
            "@",
            "²  * * * *",
        ];
        for cron in refused {
            let faults = Recurrence::read(cron, "UTC").expect_err(cron);
            assert!(faults[0].detail.contains("; give"), "{faults:?}");
        }
        let read = [
            "*/60 * * * *",
            "5-10/6 * * * *",
            "0 */24 * * *",
            "0 0 * * 7",
            "0 0 * * FRI-SUN",
            "0 0 * * sun-sat",
            "0 0 1 jan-DEC/2 *",
            "  0  0 * *\t*  ",
            "05 00 01 01 *",
            "@DAILY",
            "@midnight",
        ];
        for cron in read {
            every(cron, "UTC");
        }
        let detail = &Recurrence::read("1,,2 * * * *", "UTC").expect_err("refused")[0].detail;
        assert!(
            detail.contains("`` of the minute (0 to 59) is an empty place in a list"),
            "{detail}"
        );
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
