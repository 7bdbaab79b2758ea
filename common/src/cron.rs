//! Cron lines: what a line may say, and its next due time in a time zone.
//!
//! A line has five fields (minute, hour, day of the month, month, day of the week), read as Vixie
//! cron does. If both days are restricted, either may match; a field that begins with `*` does not
//! restrict, so the other one must match too. `croner` also knows `L`, `15W` and `5#2` for days.
//!
//! It reads lines more freely than cron does (`1,,2`, `*/61`), so each field is checked here first.
//! It also searches in civil time only, because it takes lists and ranges for intervals where a
//! clock jumps; the jumps are resolved here. See [`CronLine::after`].

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

use crate::limits::MAX_CRON_BYTES;

/// A valid cron line.
#[derive(Debug, Clone)]
pub(crate) struct CronLine {
    cron: Cron,
    /// Set if minute or hour is a `*` or has a step: the line then names no fixed times.
    interval: bool,
}

impl CronLine {
    /// Reads a line. The error says what is wrong, as the end of "this is no cron line: …".
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX_CRON_BYTES {
            return Err(format!("it is longer than {MAX_CRON_BYTES} bytes"));
        }
        let line = expanded(text.trim())?.to_ascii_uppercase();
        let texts: Vec<&str> = line.split_whitespace().collect();
        let Ok([minute, hour, day, month, weekday]) = <[&str; 5]>::try_from(texts) else {
            return Err(if line.is_empty() {
                "it is empty"
            } else {
                "it does not have five fields"
            }
            .to_owned());
        };
        for (field, text) in FIELDS.iter().zip([minute, hour, day, month, weekday]) {
            field.check(text)?;
        }
        let unrestricted = |text: &str| text.starts_with(['*', '?']);
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .dom_and_dow(unrestricted(day) || unrestricted(weekday))
            .build();
        let cron = parser.parse(&line).map_err(|error| error.to_string())?;
        let interval = [minute, hour].iter().any(|text| text.contains(['*', '/']));
        let line = Self { cron, interval };
        match line.after(Timestamp::UNIX_EPOCH, &TimeZone::UTC) {
            Some(_) => Ok(line),
            None => Err("no such day exists".to_owned()),
        }
    }

    /// The first due time after `time` in a zone.
    ///
    /// A line of fixed times is due right after the jump for a time that the clock skips, and at
    /// the first of two equal times. An interval follows the clock: it leaves out what is skipped
    /// and is due at both of two equal times.
    pub fn after(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.interval { self.interval_after(time, zone) } else { self.fixed_after(time, zone) }
    }

    fn fixed_after(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut civil = zone.to_datetime(time);
        loop {
            civil = self.civil_after(civil, false)?;
            let due = first_instant(civil, zone)?;
            if due > time {
                return Some(due);
            }
        }
    }

    /// Searches from jump to jump, since the offset is constant in between.
    fn interval_after(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let (mut from, mut inclusive) = (time, false);
        loop {
            let offset = zone.to_offset(from);
            let civil = self.civil_after(offset.to_datetime(from), inclusive)?;
            let due = offset.to_timestamp(civil).ok()?;
            match zone.following(from).next().map(|jump| jump.timestamp()) {
                Some(jump) if jump <= due => (from, inclusive) = (jump, true),
                _ => return Some(due),
            }
        }
    }

    fn civil_after(&self, civil: DateTime, inclusive: bool) -> Option<DateTime> {
        let civil = civil.to_zoned(TimeZone::UTC).ok()?;
        Some(self.cron.find_next_occurrence(&civil, inclusive).ok()?.datetime())
    }
}

/// The instant at which a clock first shows a time, or at which it jumps over it.
fn first_instant(civil: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(civil).ok()
        }
        AmbiguousOffset::Gap { before, .. } => {
            let just_after = before.to_timestamp(civil).ok()? + std::time::Duration::from_nanos(1);
            zone.preceding(just_after).next().map(|jump| jump.timestamp())
        }
    }
}

/// Replaces a name such as `@daily` by its line.
fn expanded(text: &str) -> Result<&str, String> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * SUN",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        name if name.starts_with('@') => {
            return Err("the names are @hourly, @daily, @weekly, @monthly and @yearly".to_owned());
        }
        _ => text,
    })
}

/// The bounds of a field of a line.
struct Field {
    name: &'static str,
    lowest: u8,
    highest: u8,
    /// The number of different values: Sunday is both 0 and 7.
    all: u8,
    /// Names of the values, from the lowest.
    names: &'static [&'static str],
    /// The forms besides `*`, values, ranges and steps.
    extra: fn(&str, &Field) -> bool,
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", lowest: 0, highest: 59, all: 60, names: &[], extra: |_, _| false },
    Field { name: "hour", lowest: 0, highest: 23, all: 24, names: &[], extra: |_, _| false },
    Field {
        name: "day of the month",
        lowest: 1,
        highest: 31,
        all: 31,
        names: &[],
        extra: |item, field| {
            item == "L" || item.strip_suffix('W').is_some_and(|day| field.value(day).is_some())
        },
    },
    Field {
        name: "month",
        lowest: 1,
        highest: 12,
        all: 12,
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
        extra: |_, _| false,
    },
    Field {
        name: "day of the week",
        lowest: 0,
        highest: 7,
        all: 7,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
        extra: |item, field| {
            let (day, place) = match item.split_once('#') {
                Some((day, place)) => (day, place),
                None => item.strip_suffix('L').map_or(("", ""), |day| (day, "L")),
            };
            field.value(day).is_some() && ["1", "2", "3", "4", "5", "L"].contains(&place)
        },
    },
];

impl Field {
    fn check(&self, text: &str) -> Result<(), String> {
        if text == "?" && self.name.starts_with("day") {
            return Ok(());
        }
        text.split(',').try_for_each(|item| {
            self.check_item(item).map_err(|why| {
                let (name, lowest, highest) = (self.name, self.lowest, self.highest);
                format!("`{item}` of the {name} ({lowest} to {highest}) {why}")
            })
        })
    }

    fn check_item(&self, item: &str) -> Result<(), &'static str> {
        if item.is_empty() {
            return Err("is an empty place in a list");
        }
        if (self.extra)(item, self) {
            return Ok(());
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let span = match range.split_once('-') {
            _ if range == "*" => self.all - 1,
            Some((first, last)) => {
                let (first, last) = (self.value(first), self.value(last));
                let (first, last) = first.zip(last).ok_or("holds no such value")?;
                // A range ends on Sunday as 7, and begins on it as 0.
                let last = if last == 0 && self.highest == 7 { 7 } else { last };
                last.checked_sub(first).ok_or("is a range that ends before it begins")?
            }
            None if step.is_some() => return Err("has a step, which needs `*` or a range"),
            None => self.value(range).map(|_| 0).ok_or("is no such value")?,
        };
        match step.map(|step| number(step).filter(|step| (1..=span + 1).contains(step))) {
            Some(None) => Err("has a step that is no number from 1 to the length of its range"),
            _ => Ok(()),
        }
    }

    fn value(&self, text: &str) -> Option<u8> {
        let named = self.names.iter().position(|name| *name == text);
        match named.and_then(|at| u8::try_from(at).ok()) {
            Some(at) => Some(self.lowest + at),
            None => number(text).filter(|value| (self.lowest..=self.highest).contains(value)),
        }
    }
}

fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
