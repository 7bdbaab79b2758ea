//! Tables as comma-separated values (RFC 4180): the first row names the columns.

use common::limits::MAX_BATCH_JOBS;

/// The rows of a table, each with the names of the columns.
pub type Rows = Vec<Vec<(String, String)>>;

/// Reads a table. The error completes a sentence that begins with the file's name.
pub fn parse(text: &str) -> Result<Rows, String> {
    // Spreadsheets write a byte order mark.
    let mut records = Records { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    let Some((_, names)) = records.next()? else { return Err("is empty".to_owned()) };
    if let [name] = names.as_slice()
        && name.contains(';')
    {
        return Err("has semicolons between its columns: save it with commas".to_owned());
    }
    if let Some(name) = names.iter().find(|name| name.trim().is_empty()) {
        return Err(format!("has a column named `{name}`: give each column a name"));
    }
    let mut rows = Vec::new();
    while let Some((line, cells)) = records.next()? {
        if cells.len() != names.len() {
            return Err(format!(
                "has {} cells in line {line} and {} columns: write text that has a comma in quotes",
                cells.len(),
                names.len()
            ));
        }
        rows.push(names.iter().map(|name| name.trim().to_owned()).zip(cells).collect());
        if rows.len() > MAX_BATCH_JOBS {
            return Err(format!("has more than {MAX_BATCH_JOBS} rows: divide it"));
        }
    }
    Ok(rows)
}

/// The records of a table that have not been read.
struct Records<'a> {
    rest: &'a str,
    line: usize,
}

impl Records<'_> {
    /// The next record that is not an empty line, with the number of its line.
    fn next(&mut self) -> Result<Option<(usize, Vec<String>)>, String> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let line = self.line;
            let cells = self.record()?;
            if cells != [""] {
                return Ok(Some((line, cells)));
            }
        }
    }

    fn record(&mut self) -> Result<Vec<String>, String> {
        let mut cells = Vec::new();
        loop {
            cells.push(self.cell()?);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            let line_end = ["\r\n", "\n", "\r"].iter().find_map(|end| self.rest.strip_prefix(end));
            self.rest = line_end.unwrap_or(self.rest);
            self.line += 1;
            return Ok(cells);
        }
    }

    /// One cell, up to the comma or the line's end behind it.
    fn cell(&mut self) -> Result<String, String> {
        let Some(mut quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n', '\r']).unwrap_or(self.rest.len());
            let (cell, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Ok(cell.to_owned());
        };
        let line = self.line;
        let mut cell = String::new();
        loop {
            let Some((part, rest)) = quoted.split_once('"') else {
                return Err(format!("has a quote in line {line} that does not end"));
            };
            cell.push_str(part);
            self.line += part.matches('\n').count();
            match rest.strip_prefix('"') {
                // Two quotes are one of the text.
                Some(rest) => {
                    cell.push('"');
                    quoted = rest;
                }
                None if rest.is_empty() || rest.starts_with([',', '\n', '\r']) => {
                    self.rest = rest;
                    return Ok(cell);
                }
                None => {
                    return Err(format!(
                        "has text behind a quote in line {}: write a quote within quotes twice",
                        self.line
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
        let cells = |row: Vec<(String, String)>| {
            row.into_iter().map(|(name, cell)| format!("{name}={cell}")).collect()
        };
        parse(text).map(|rows| rows.into_iter().map(cells).collect())
    }

    #[test]
    fn a_table_is_read_as_spreadsheets_write_it() {
        let table =
            "\u{feff}NAME, CITY\r\nAda,\"London, UK\"\r\n\r\n\"O \"\"x\"\"\",\"two\nlines\"\n";
        assert_eq!(
            rows(table),
            Ok(vec![
                vec!["NAME=Ada".to_owned(), "CITY=London, UK".to_owned()],
                vec!["NAME=O \"x\"".to_owned(), "CITY=two\nlines".to_owned()],
            ])
        );
        assert_eq!(rows("A,B\n1,"), Ok(vec![vec!["A=1".to_owned(), "B=".to_owned()]]));
        assert_eq!(rows("A"), Ok(vec![]));
    }

    #[test]
    fn a_bad_table_is_refused_with_the_line() {
        for (table, sentence) in [
            ("", "is empty"),
            ("A,\n1,2", "a column named ``"),
            ("A;B\n1;2", "semicolons between its columns"),
            ("A,B\n1,2\n\"a\nb\",2,3", "has 3 cells in line 3 and 2 columns"),
            ("A\n\"x", "a quote in line 2 that does not end"),
            ("A\n\"x\"y", "text behind a quote in line 2"),
        ] {
            let error = rows(table).expect_err("an error");
            assert!(error.contains(sentence), "{error}");
        }
    }
}
